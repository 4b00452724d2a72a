(** * Conditional mutual information of a finite joint table

    p(z,x,y) >= 0 for z < 2 (which of two sources), x < n (a prompt), y < k (a response). All is
    computed from this table alone, the textbook way, in reals: where p(z,x,y) > 0 every marginal
    that its term divides by is positive too, and where p(z,x,y) = 0 the term is 0 whatever Coq's
    [ln] and [/] give.

        I(Z;Y|X) = Σ p(z,x,y) log( p(z,x,y) p(x) / (p(z,x) p(x,y)) ) = H(Z|X) - H(Z|X,Y) >= 0,

    by Gibbs' inequality; by Bayes' rule it is also a sum over the posteriors of z = 0 given x and
    given (x,y); and no classifier's cross-entropy is below H(Z|X,Y). That the table sums to 1 is
    not needed. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence.
Open Scope R_scope.

(** ** Facts used below *)

(** Σ_x Σ_y f(x,y) *)
Definition sum2 (n k : nat) (f : nat -> nat -> R) : R := sum n (fun x => sum k (fun y => f x y)).

Lemma sum2_ext n k f g :
  (forall x y, (x < n)%nat -> (y < k)%nat -> f x y = g x y) -> sum2 n k f = sum2 n k g.
Proof. intros H. apply sum_ext; intros x Hx. apply sum_ext; intros y Hy. auto. Qed.

Lemma sum2_le n k f g :
  (forall x y, (x < n)%nat -> (y < k)%nat -> f x y <= g x y) -> sum2 n k f <= sum2 n k g.
Proof. intros H. apply sum_le; intros x Hx. apply sum_le; intros y Hy. auto. Qed.

Lemma sum2_plus n k f g : sum2 n k (fun x y => f x y + g x y) = sum2 n k f + sum2 n k g.
Proof. unfold sum2. rewrite <- sum_plus. apply sum_ext; intros. apply sum_plus. Qed.

Lemma sum2_minus n k f g : sum2 n k (fun x y => f x y - g x y) = sum2 n k f - sum2 n k g.
Proof. unfold sum2. rewrite <- sum_minus. apply sum_ext; intros. apply sum_minus. Qed.

Lemma sum2_scal n k c f : sum2 n k (fun x y => c * f x y) = c * sum2 n k f.
Proof. unfold sum2. rewrite <- sum_scal. apply sum_ext; intros. apply sum_scal. Qed.

(** What is weighed by 0 does not matter. *)
Lemma mult_where c u v : 0 <= c -> (0 < c -> u = v) -> c * u = c * v.
Proof. intros [H| <-] E; [rewrite E by assumption; reflexivity | ring]. Qed.

Lemma mult_le_where c u v : 0 <= c -> (0 < c -> u <= v) -> c * u <= c * v.
Proof. intros [H| <-] E; [apply Rmult_le_compat_l; [lra|auto] | lra]. Qed.

Lemma ln_inverse v : 0 < v -> ln (1 / v) = - ln v.
Proof. intros Hv. rewrite ln_div, ln_1 by lra. ring. Qed.

(** The tangent of log, weighed: a log(s m/a) <= s m - a *)
Lemma tangent_term a m s :
  0 <= a -> 0 <= m -> 0 <= s -> (0 < a -> 0 < m /\ 0 < s) ->
  a * ln (1 / (a / m)) <= a * (ln (1 / s) - 1) + s * m.
Proof.
  intros [Ha| <-] Hm Hs H.
  - destruct (H Ha) as [Pm Ps]. assert (Q : 0 < m / a) by (apply Rdiv_lt_0_compat; assumption).
    pose proof (ln_tangent (m / a) (1 / s) Q) as T.
    assert (0 < 1 / s) by (apply Rdiv_lt_0_compat; lra).
    replace (1 / (a / m)) with (m / a) by (field; lra).
    apply (Rmult_le_compat_l a) in T; [|lra|assumption].
    replace (a * (m / a / (1 / s) - 1 + ln (1 / s))) with (a * (ln (1 / s) - 1) + s * m) in T
      by (field; lra). exact T.
  - rewrite !Rmult_0_l, Rplus_0_l. apply Rmult_le_pos; assumption.
Qed.

Section Information.

Variables (n k : nat) (p : nat -> nat -> nat -> R).

(** ** Marginals, information, entropies *)
Definition p_zx (z x : nat) : R := sum k (fun y => p z x y).
Definition p_xy (x y : nat) : R := sum 2 (fun z => p z x y).
Definition p_x (x : nat) : R := sum 2 (fun z => p_zx z x).

(** I(Z;Y|X) *)
Definition cmi : R :=
  sum 2 (fun z => sum2 n k (fun x y =>
    p z x y * ln (p z x y * p_x x / (p_zx z x * p_xy x y)))).

(** H(Z|X) *)
Definition H_Z_X : R := - sum 2 (fun z => sum n (fun x => p_zx z x * ln (p_zx z x / p_x x))).

(** H(Z|X,Y) *)
Definition H_Z_XY : R :=
  - sum 2 (fun z => sum2 n k (fun x y => p z x y * ln (p z x y / p_xy x y))).

(** Posteriors a(x) = p(Z=0|x) and r(x,y) = p(Z=0|x,y) *)
Definition prompt_posterior (x : nat) : R := p_zx 0 x / p_x x.
Definition pair_posterior (x y : nat) : R := p 0%nat x y / p_xy x y.

(** A classifier of pairs: probabilities s(x,y) of z = 0, never sure of the wrong source. Any s with
    values strictly between 0 and 1 is one, and so is the posterior r. *)
Definition classifier (s : nat -> nat -> R) : Prop :=
  forall x y, (x < n)%nat -> (y < k)%nat ->
  0 <= s x y <= 1 /\ (0 < p 0%nat x y -> 0 < s x y) /\ (0 < p 1%nat x y -> s x y < 1).

(** Its cross-entropy Σ p(0,x,y) log 1/s + p(1,x,y) log 1/(1-s) *)
Definition cross_entropy (s : nat -> nat -> R) : R :=
  sum2 n k (fun x y => p 0%nat x y * ln (1 / s x y) + p 1%nat x y * ln (1 / (1 - s x y))).

Lemma classifier_inside s :
  (forall x y, (x < n)%nat -> (y < k)%nat -> 0 < s x y < 1) -> classifier s.
Proof using. intros H x y Hx Hy. specialize (H x y Hx Hy). repeat split; intros; lra. Qed.

Hypothesis p_nonneg :
  forall z x y, (z < 2)%nat -> (x < n)%nat -> (y < k)%nat -> 0 <= p z x y.

(** ** A marginal is at least what it sums *)
Lemma p_le_p_zx z x y : (z < 2)%nat -> (x < n)%nat -> (y < k)%nat -> p z x y <= p_zx z x.
Proof using p_nonneg. intros. apply (sum_term_le k (fun y => p z x y)); auto. Qed.

Lemma p_le_p_xy z x y : (z < 2)%nat -> (x < n)%nat -> (y < k)%nat -> p z x y <= p_xy x y.
Proof using p_nonneg. intros. apply (sum_term_le 2 (fun z => p z x y)); auto. Qed.

Lemma p_zx_nonneg z x : (z < 2)%nat -> (x < n)%nat -> 0 <= p_zx z x.
Proof using p_nonneg. intros. apply sum_nonneg; auto. Qed.

Lemma p_zx_le_p_x z x : (z < 2)%nat -> (x < n)%nat -> p_zx z x <= p_x x.
Proof using p_nonneg.
  intros. apply (sum_term_le 2 (fun z => p_zx z x)); auto using p_zx_nonneg.
Qed.

Lemma p_xy_total x : sum k (fun y => p_xy x y) = p_x x.
Proof using. unfold p_xy, p_x, p_zx. symmetry. apply sum_swap. Qed.

Lemma p_xy_sum x y : p_xy x y = p 0%nat x y + p 1%nat x y.
Proof using. unfold p_xy. simpl. ring. Qed.

Lemma p_x_sum x : p_x x = p_zx 0 x + p_zx 1 x.
Proof using. unfold p_x. simpl. ring. Qed.

(** Where a pair comes, no marginal is 0. *)
Lemma marginals_pos z x y :
  (z < 2)%nat -> (x < n)%nat -> (y < k)%nat -> 0 < p z x y ->
  0 < p_zx z x /\ 0 < p_xy x y /\ 0 < p_x x.
Proof using p_nonneg.
  intros Hz Hx Hy H. pose proof (p_le_p_zx z x y Hz Hx Hy).
  pose proof (p_le_p_xy z x y Hz Hx Hy). pose proof (p_zx_le_p_x z x Hz Hx). lra.
Qed.

Lemma information_term z x y :
  (z < 2)%nat -> (x < n)%nat -> (y < k)%nat ->
  p z x y * ln (p z x y * p_x x / (p_zx z x * p_xy x y))
  = p z x y * (ln (p z x y / p_xy x y) - ln (p_zx z x / p_x x)).
Proof using p_nonneg.
  intros Hz Hx Hy. apply mult_where; [auto|]. intros H.
  destruct (marginals_pos z x y Hz Hx Hy H) as [Pzx [Pxy Px]].
  rewrite !ln_div, !ln_mult by (try apply Rmult_lt_0_compat; assumption). ring.
Qed.

(** ** I(Z;Y|X) = H(Z|X) - H(Z|X,Y) *)
Theorem information_is_entropy_difference : cmi = H_Z_X - H_Z_XY.
Proof using p_nonneg.
  assert (E : cmi = sum 2 (fun z => sum2 n k (fun x y => p z x y * ln (p z x y / p_xy x y))
                                    - sum n (fun x => p_zx z x * ln (p_zx z x / p_x x)))).
  { apply sum_ext; intros z Hz. unfold sum2. rewrite <- sum_minus.
    apply sum_ext; intros x Hx. rewrite Rmult_comm. unfold p_zx at 3.
    rewrite <- sum_scal, <- sum_minus.
    apply sum_ext; intros y Hy. rewrite information_term by assumption. ring. }
  rewrite E, sum_minus. unfold H_Z_X, H_Z_XY. ring.
Qed.

(** I(Z;Y|X) >= 0: term by term Gibbs' inequality against p(z,x) p(x,y) / p(x) *)
Theorem information_nonneg : 0 <= cmi.
Proof using p_nonneg.
  apply sum_nonneg; intros z Hz. apply sum_nonneg; intros x Hx.
  pose proof (p_zx_nonneg z x Hz Hx) as Nzx. pose proof (p_zx_le_p_x z x Hz Hx) as Lx.
  set (q := fun y => p_zx z x / p_x x * p_xy x y).
  apply Rle_trans with (sum k (fun y => p z x y - q y)).
  - right. unfold q. rewrite sum_minus, sum_scal, p_xy_total.
    change (sum k (p z x)) with (p_zx z x).
    destruct Nzx as [H|H]; [field; lra | rewrite <- H; unfold Rdiv; ring].
  - apply sum_le; intros y Hy. pose proof (p_nonneg z x y Hz Hx Hy) as N.
    pose proof (p_le_p_xy z x y Hz Hx Hy) as Lxy.
    destruct N as [H|H].
    + destruct (marginals_pos z x y Hz Hx Hy H) as [Pzx [Pxy Px]].
      assert (Q : 0 < q y) by (apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat|]; assumption).
      pose proof (kl_term_ge (p z x y) (q y)) as G. rewrite kl_term_pos in G by assumption.
      replace (p z x y * p_x x / (p_zx z x * p_xy x y)) with (p z x y / q y)
        by (unfold q; field; lra). apply G; lra.
    + rewrite <- H in *. rewrite Rmult_0_l. unfold q.
      assert (0 <= p_zx z x / p_x x).
      { destruct Nzx as [P|P]; [left; apply Rdiv_lt_0_compat; lra|].
        rewrite <- P. unfold Rdiv. lra. }
      assert (0 <= p_zx z x / p_x x * p_xy x y) by (apply Rmult_le_pos; lra). lra.
Qed.

(** ** Posteriors *)
Lemma pair_posterior_other x y : 0 < p_xy x y -> 1 - pair_posterior x y = p 1%nat x y / p_xy x y.
Proof using.
  intros H. unfold pair_posterior.
  replace (p 1%nat x y) with (p_xy x y - p 0%nat x y) by (rewrite p_xy_sum; ring). field. lra.
Qed.

Lemma prompt_posterior_other x : 0 < p_x x -> 1 - prompt_posterior x = p_zx 1 x / p_x x.
Proof using.
  intros H. unfold prompt_posterior.
  replace (p_zx 1 x) with (p_x x - p_zx 0 x) by (rewrite p_x_sum; ring). field. lra.
Qed.

(** Bayes' rule: I(Z;Y|X) = Σ p(0,x,y) (log r - log a) + p(1,x,y) (log(1-r) - log(1-a)) *)
Theorem information_by_bayes :
  cmi = sum2 n k (fun x y =>
          p 0%nat x y * (ln (pair_posterior x y) - ln (prompt_posterior x))
          + p 1%nat x y * (ln (1 - pair_posterior x y) - ln (1 - prompt_posterior x))).
Proof using p_nonneg.
  unfold cmi. simpl. rewrite Rplus_0_l, <- sum2_plus. apply sum2_ext; intros x y Hx Hy.
  rewrite !information_term by (assumption || lia). f_equal.
  apply mult_where; [apply p_nonneg; auto|]. intros H.
  destruct (marginals_pos 1 x y) as [_ [Pxy Px]]; auto.
  rewrite pair_posterior_other, prompt_posterior_other by assumption. reflexivity.
Qed.

(** ** Cross-entropy *)

Lemma pair_posterior_classifier : classifier pair_posterior.
Proof using p_nonneg.
  intros x y Hx Hy. unfold pair_posterior. pose proof (p_xy_sum x y) as S.
  pose proof (p_nonneg 0 x y ltac:(lia) Hx Hy) as N0.
  pose proof (p_nonneg 1 x y ltac:(lia) Hx Hy) as N1.
  destruct (Rlt_dec 0 (p_xy x y)) as [P|P].
  - assert (E : p 0%nat x y / p_xy x y * p_xy x y = p 0%nat x y) by (field; lra).
    repeat split; intros.
    + apply (Rmult_le_reg_r (p_xy x y)); lra.
    + apply (Rmult_le_reg_r (p_xy x y)); lra.
    + apply (Rmult_lt_reg_r (p_xy x y)); lra.
    + apply (Rmult_lt_reg_r (p_xy x y)); lra.
  - replace (p 0%nat x y) with 0 by lra. unfold Rdiv. rewrite Rmult_0_l. repeat split; lra.
Qed.

(** H(Z|X,Y) is the cross-entropy of the posterior r. *)
Lemma cross_entropy_posterior : cross_entropy pair_posterior = H_Z_XY.
Proof using p_nonneg.
  replace H_Z_XY with
    (-1 * (sum2 n k (fun x y => p 0%nat x y * ln (p 0%nat x y / p_xy x y))
           + sum2 n k (fun x y => p 1%nat x y * ln (p 1%nat x y / p_xy x y))))
    by (unfold H_Z_XY; simpl; ring).
  rewrite <- sum2_plus, <- sum2_scal. apply sum2_ext; intros x y Hx Hy.
  assert (U : forall z v, (z < 2)%nat -> (0 < p_xy x y -> v = p z x y / p_xy x y) ->
    p z x y * ln (1 / v) = p z x y * - ln (p z x y / p_xy x y)).
  { intros z v Hz E. apply mult_where; [auto|]. intros H.
    destruct (marginals_pos z x y Hz Hx Hy H) as [_ [Pxy _]].
    rewrite E by assumption. apply ln_inverse, Rdiv_lt_0_compat; assumption. }
  rewrite (U 0%nat), (U 1%nat) by (reflexivity || lia || apply pair_posterior_other). ring.
Qed.

(** A classifier's cross-entropy is at least H(Z|X,Y), by Gibbs' inequality. *)
Theorem cross_entropy_ge s : classifier s -> H_Z_XY <= cross_entropy s.
Proof using p_nonneg.
  intros Hs.
  assert (T : forall z x y v, (z < 2)%nat -> (x < n)%nat -> (y < k)%nat -> 0 <= v ->
    (0 < p z x y -> 0 < v) ->
    p z x y * ln (1 / (p z x y / p_xy x y)) <= p z x y * (ln (1 / v) - 1) + v * p_xy x y).
  { intros z x y v Hz Hx Hy Hv H. pose proof (p_nonneg z x y Hz Hx Hy).
    pose proof (p_le_p_xy z x y Hz Hx Hy).
    apply tangent_term; [lra | lra | lra | intros P; split; [lra | auto]]. }
  assert (U : forall z x y, (z < 2)%nat -> (x < n)%nat -> (y < k)%nat ->
    p z x y * ln (1 / (p z x y / p_xy x y)) = - (p z x y * ln (p z x y / p_xy x y))).
  { intros z x y Hz Hx Hy. rewrite Ropp_mult_distr_r. apply mult_where; [auto|]. intros H.
    destruct (marginals_pos z x y Hz Hx Hy H) as [_ [Pxy _]].
    apply ln_inverse, Rdiv_lt_0_compat; assumption. }
  replace H_Z_XY with
    (- (sum2 n k (fun x y => p 0%nat x y * ln (p 0%nat x y / p_xy x y))
        + sum2 n k (fun x y => p 1%nat x y * ln (p 1%nat x y / p_xy x y))))
    by (unfold H_Z_XY; simpl; ring).
  apply Ropp_le_cancel. rewrite Ropp_involutive, <- sum2_plus.
  replace (- cross_entropy s) with (-1 * cross_entropy s) by ring.
  unfold cross_entropy. rewrite <- sum2_scal. apply sum2_le; intros x y Hx Hy.
  destruct (Hs x y Hx Hy) as [[S0 S1] [Sf Sh]].
  pose proof (T 0%nat x y (s x y)) as T0. pose proof (T 1%nat x y (1 - s x y)) as T1.
  specialize (T0 ltac:(lia) Hx Hy S0 Sf). specialize (T1 ltac:(lia) Hx Hy ltac:(lra)).
  specialize (T1 ltac:(intros H; specialize (Sh H); lra)).
  rewrite U in T0, T1 by lia. rewrite p_xy_sum in *. lra.
Qed.

End Information.
