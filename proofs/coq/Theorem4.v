(** * Theorem 4: the whole trade-off is one conditional mutual information

    Draw Z = capability (0) with probability 1/(1+λ), else proxy (1); then a prompt X and a response
    Y from that source. With a(x) = p(Z=0|x) = w(x) and r(x,y) = p(Z=0|x,y),

        min_P [G_f(P) + λ Ĝ_s(P)] = (1+λ) I(Z;Y|X) = (1+λ) [H(Z|X) - H(Z|X,Y)],
        G_f(P_λ) = E_f[log r - log a],      Ĝ_s(P_λ) = E_ŝ[log(1-r) - log(1-a)],

    since μ_f/P_λ = r/a and μ̂/P_λ = (1-r)/(1-a) by Bayes' rule, term by term. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Information.
Open Scope R_scope.

(** p(z,x,y): z = 0 is capability, 1 is proxy *)
Definition joint (Df Dh : nat -> R) (muf muh : nat -> nat -> R) (lam : R) (z x y : nat) : R :=
  match z with
  | O => Df x * muf x y / (1 + lam)
  | S _ => lam * Dh x * muh x y / (1 + lam)
  end.

(** ** Facts used below *)

(** A gap whose terms are finite is their sum. *)
Lemma gap_of_terms n k D mu P (t : nat -> nat -> R) :
  nonneg n D ->
  (forall x y, (x < n)%nat -> (y < k)%nat ->
    escale (D x) (kl_term (mu x y) (P x y)) = Fin (t x y)) ->
  gap n k D mu P = Fin (sum2 n k t).
Proof.
  intros HD H. unfold gap, sum2. rewrite <- esum_Fin. apply esum_ext; intros x Hx.
  unfold KL. rewrite <- esum_Fin, <- esum_scale by auto. apply esum_ext; auto.
Qed.

(** Bayes' rule for one term: if C u = m, then z/u = (c z / m) / (c / C). *)
Lemma bayes_term c z u C m :
  0 <= c -> 0 <= z -> C * u = m -> (0 < c -> 0 < z -> 0 < C /\ 0 < m) ->
  escale c (kl_term z u) = Fin (c * z * (ln (c * z / m) - ln (c / C))).
Proof.
  intros [Hc| <-] [Hz| <-] E H; rewrite ?kl_term_0, ?escale_0; try (simpl; f_equal; ring).
  destruct (H Hc Hz) as [PC Pm].
  assert (Pu : 0 < u) by (apply (Rmult_lt_reg_l C); [assumption | rewrite Rmult_0_r, E; exact Pm]).
  rewrite kl_term_pos by assumption. simpl. f_equal. rewrite <- E.
  rewrite !ln_div, !ln_mult by (assumption || apply Rmult_lt_0_compat; assumption). ring.
Qed.

Lemma div_0 u : 0 / u = 0.
Proof. unfold Rdiv. ring. Qed.

(** The factor 1/(1+λ) of the joint table cancels. *)
Lemma prior_cancel u v c : 0 <= u -> 0 <= v -> 0 < c -> u / c / (u / c + v / c) = u / (u + v).
Proof.
  intros [Hu| <-] Hv Hc; [|rewrite !div_0; reflexivity].
  rewrite <- Rdiv_plus_distr. field. lra.
Qed.

(** E_{x~D} of a function of the prompt, over pairs *)
Lemma prompt_term n k D mu (v : nat -> R) :
  kernel n k mu -> sum n (fun x => D x * v x) = sum2 n k (fun x y => D x * mu x y * v x).
Proof.
  intros Hmu. apply sum_ext; intros x Hx. destruct (Hmu x Hx) as [_ S].
  rewrite (sum_ext k _ (fun y => D x * v x * mu x y)) by (intros; ring). rewrite sum_scal, S. ring.
Qed.

Section Theorem4.

Variables (n k : nat) (Df Dh : nat -> R) (muf muh : nat -> nat -> R) (lam : R).

Notation p := (joint Df Dh muf muh lam).
Notation P_lam := (P_lam Df Dh muf muh lam).
Notation objective := (objective n k Df Dh muf muh lam).

(** The posteriors a(x) and r(x,y) *)
Notation a := (prompt_posterior k p).
Notation r := (pair_posterior p).

Hypothesis Df_nonneg : nonneg n Df.
Hypothesis Dh_nonneg : nonneg n Dh.
Hypothesis muf_kernel : kernel n k muf.
Hypothesis muh_kernel : kernel n k muh.
Hypothesis lam_nonneg : 0 <= lam.

(** ** The joint table and its marginals *)
Lemma capability_mass x y : (x < n)%nat -> (y < k)%nat -> 0 <= Df x * muf x y.
Proof using Df_nonneg muf_kernel.
  intros Hx Hy. destruct (muf_kernel x Hx) as [N _]. apply Rmult_le_pos; auto.
Qed.

Lemma proxy_mass x y : (x < n)%nat -> (y < k)%nat -> 0 <= lam * Dh x * muh x y.
Proof using Dh_nonneg muh_kernel lam_nonneg.
  intros Hx Hy. destruct (muh_kernel x Hx) as [N _]. repeat apply Rmult_le_pos; auto.
Qed.

Lemma joint_nonneg z x y : (z < 2)%nat -> (x < n)%nat -> (y < k)%nat -> 0 <= p z x y.
Proof using All.
  intros _ Hx Hy. assert (0 <= / (1 + lam)) by (left; apply Rinv_0_lt_compat; lra).
  destruct z; apply Rmult_le_pos; auto using capability_mass, proxy_mass.
Qed.

Lemma joint_capability x y : (1 + lam) * p 0 x y = Df x * muf x y.
Proof using lam_nonneg. unfold joint. field. lra. Qed.

Lemma joint_proxy x y : (1 + lam) * p 1 x y = lam * Dh x * muh x y.
Proof using lam_nonneg. unfold joint. field. lra. Qed.

Lemma p_zx_capability x : (x < n)%nat -> p_zx k p 0 x = Df x / (1 + lam).
Proof using muf_kernel.
  intros Hx. destruct (muf_kernel x Hx) as [_ S]. unfold p_zx, joint.
  rewrite (sum_ext k _ (fun y => Df x / (1 + lam) * muf x y)) by (intros; unfold Rdiv; ring).
  rewrite sum_scal, S. ring.
Qed.

Lemma p_zx_proxy x : (x < n)%nat -> p_zx k p 1 x = lam * Dh x / (1 + lam).
Proof using muh_kernel.
  intros Hx. destruct (muh_kernel x Hx) as [_ S]. unfold p_zx, joint.
  rewrite (sum_ext k _ (fun y => lam * Dh x / (1 + lam) * muh x y)) by (intros; unfold Rdiv; ring).
  rewrite sum_scal, S. ring.
Qed.

(** The table is a distribution when D_f and D̂ are. *)
Theorem joint_total :
  sum n Df = 1 -> sum n Dh = 1 -> sum 2 (fun z => sum2 n k (fun x y => p z x y)) = 1.
Proof using muf_kernel muh_kernel lam_nonneg.
  intros Sf Sh. change (0 + sum n (fun x => p_zx k p 0 x) + sum n (fun x => p_zx k p 1 x) = 1).
  rewrite (sum_ext n _ (fun x => / (1 + lam) * Df x)) by
    (intros x Hx; rewrite p_zx_capability by exact Hx; unfold Rdiv; ring).
  rewrite (sum_ext n (fun x => p_zx k p 1 x) (fun x => lam / (1 + lam) * Dh x)) by
    (intros x Hx; rewrite p_zx_proxy by exact Hx; unfold Rdiv; ring).
  rewrite !sum_scal, Sf, Sh. field. lra.
Qed.

Lemma prompt_posterior_value x :
  (x < n)%nat -> 0 < Df x + lam * Dh x ->
  a x = Df x / (Df x + lam * Dh x) /\ 1 - a x = lam * Dh x / (Df x + lam * Dh x).
Proof using All.
  intros Hx H. assert (E : a x = Df x / (Df x + lam * Dh x)).
  { unfold prompt_posterior. rewrite p_x_sum, p_zx_capability, p_zx_proxy by exact Hx.
    apply prior_cancel; [auto | apply Rmult_le_pos; auto | lra]. }
  rewrite E. split; [reflexivity | field; lra].
Qed.

Lemma pair_posterior_value x y :
  (x < n)%nat -> (y < k)%nat -> 0 < Df x * muf x y + lam * Dh x * muh x y ->
  r x y = Df x * muf x y / (Df x * muf x y + lam * Dh x * muh x y)
  /\ 1 - r x y = lam * Dh x * muh x y / (Df x * muf x y + lam * Dh x * muh x y).
Proof using All.
  intros Hx Hy H. assert (E : r x y = Df x * muf x y / (Df x * muf x y + lam * Dh x * muh x y)).
  { unfold pair_posterior. rewrite p_xy_sum. unfold joint.
    apply prior_cancel; [apply capability_mass | apply proxy_mass | lra]; assumption. }
  rewrite E. split; [reflexivity | field; lra].
Qed.

(** a(x) = w(x) wherever a prompt comes. *)
Theorem prompt_posterior_is_weight x :
  (x < n)%nat -> 0 < p_x k p x -> a x = weight Df Dh lam x.
Proof using All.
  intros Hx H. rewrite p_x_sum, p_zx_capability, p_zx_proxy in H by exact Hx.
  assert (S : 0 < Df x + lam * Dh x).
  { replace (Df x + lam * Dh x)
      with ((1 + lam) * (Df x / (1 + lam) + lam * Dh x / (1 + lam))) by (field; lra).
    apply Rmult_lt_0_compat; lra. }
  destruct (prompt_posterior_value x Hx S) as [-> _]. unfold weight, share.
  destruct (Rlt_dec 0 (Df x + lam * Dh x)); [reflexivity | lra].
Qed.

(** ** Terms of the gaps *)

(** (D_f + λD̂)(x) P_λ(x)_y = D_f(x) μ_f(x)_y + λ D̂(x) μ̂(x)_y *)
Lemma P_lam_mass x y : (x < n)%nat ->
  (Df x + lam * Dh x) * P_lam x y = Df x * muf x y + lam * Dh x * muh x y.
Proof using Df_nonneg Dh_nonneg lam_nonneg.
  intros Hx. assert (0 <= lam * Dh x) by (apply Rmult_le_pos; auto).
  unfold Finite.P_lam, weight, mix.
  pose proof (share_mult (Df x) (lam * Dh x) (Df_nonneg x Hx)) as E. specialize (E ltac:(lra)).
  replace ((Df x + lam * Dh x) *
    (share (Df x) (lam * Dh x) * muf x y + (1 - share (Df x) (lam * Dh x)) * muh x y))
    with ((Df x + lam * Dh x) * share (Df x) (lam * Dh x) * muf x y
      + (Df x + lam * Dh x - (Df x + lam * Dh x) * share (Df x) (lam * Dh x)) * muh x y) by ring.
  rewrite E. ring.
Qed.

Lemma capability_term x y : (x < n)%nat -> (y < k)%nat ->
  escale (Df x) (kl_term (muf x y) (P_lam x y)) = Fin (Df x * muf x y * (ln (r x y) - ln (a x))).
Proof using All.
  intros Hx Hy. pose proof (proxy_mass x y Hx Hy) as Ny. destruct (muf_kernel x Hx) as [Nf _].
  assert (Nx : 0 <= lam * Dh x) by (apply Rmult_le_pos; auto).
  rewrite (bayes_term _ _ _ _ _ (Df_nonneg x Hx) (Nf y Hy) (P_lam_mass x y Hx)).
  - f_equal. apply mult_where; [apply capability_mass; assumption|]. intros H.
    assert (Df x <> 0) by (intros E; rewrite E, Rmult_0_l in H; lra).
    pose proof (Df_nonneg x Hx).
    destruct (pair_posterior_value x y Hx Hy) as [-> _]; [lra|].
    destruct (prompt_posterior_value x Hx) as [-> _]; [lra|]. reflexivity.
  - intros Hd Hm. pose proof (Rmult_lt_0_compat _ _ Hd Hm). lra.
Qed.

Lemma proxy_term x y : (x < n)%nat -> (y < k)%nat ->
  escale (lam * Dh x) (kl_term (muh x y) (P_lam x y))
  = Fin (lam * Dh x * muh x y * (ln (1 - r x y) - ln (1 - a x))).
Proof using All.
  intros Hx Hy. pose proof (capability_mass x y Hx Hy) as Ny. destruct (muh_kernel x Hx) as [Nh _].
  assert (Nx : 0 <= lam * Dh x) by (apply Rmult_le_pos; auto).
  pose proof (Df_nonneg x Hx) as Nd.
  rewrite (bayes_term _ _ _ _ _ Nx (Nh y Hy) (P_lam_mass x y Hx)).
  - f_equal. apply mult_where; [apply proxy_mass; assumption|]. intros H.
    assert (lam * Dh x <> 0) by (intros E; rewrite E, Rmult_0_l in H; lra).
    destruct (pair_posterior_value x y Hx Hy) as [_ ->]; [lra|].
    destruct (prompt_posterior_value x Hx) as [_ ->]; [lra|]. reflexivity.
  - intros Hd Hm. pose proof (Rmult_lt_0_compat _ _ Hd Hm). lra.
Qed.

(** ** Theorem 4 *)

(** G_f(P_λ) = E_f[log r(x,y) - log a(x)] *)
Theorem theorem4_capability_gap :
  gap n k Df muf P_lam = Fin (sum2 n k (fun x y => Df x * muf x y * (ln (r x y) - ln (a x)))).
Proof using All. apply gap_of_terms; auto using capability_term. Qed.

Lemma scaled_proxy_gap :
  escale lam (gap n k Dh muh P_lam)
  = Fin (lam * sum2 n k (fun x y => Dh x * muh x y * (ln (1 - r x y) - ln (1 - a x)))).
Proof using All.
  unfold gap. rewrite <- esum_scale by assumption. rewrite <- sum2_scal.
  rewrite <- (gap_of_terms n k (fun x => lam * Dh x) muh P_lam).
  - apply esum_ext; intros x Hx. apply escale_escale; auto.
  - intros x Hx. apply Rmult_le_pos; auto.
  - intros x y Hx Hy. rewrite proxy_term by assumption. f_equal. ring.
Qed.

(** Ĝ_s(P_λ) = E_ŝ[log(1-r(x,y)) - log(1-a(x))]; at λ = 0 no proxy row is drawn *)
Theorem theorem4_proxy_gap :
  0 < lam ->
  gap n k Dh muh P_lam
  = Fin (sum2 n k (fun x y => Dh x * muh x y * (ln (1 - r x y) - ln (1 - a x)))).
Proof using All.
  intros Hl. pose proof scaled_proxy_gap as E.
  destruct (gap n k Dh muh P_lam) as [g|]; [|rewrite escale_Inf in E by exact Hl; discriminate].
  injection E as E. f_equal. apply (Rmult_eq_reg_l lam); [exact E | lra].
Qed.

(** G_f(P_λ) + λ Ĝ_s(P_λ) = (1+λ) I(Z;Y|X), *)
Theorem theorem4 : objective P_lam = Fin ((1 + lam) * cmi n k p).
Proof using All.
  unfold Finite.objective. rewrite theorem4_capability_gap, scaled_proxy_gap. simpl. f_equal.
  rewrite information_by_bayes by exact joint_nonneg.
  rewrite <- !sum2_scal, <- sum2_plus. apply sum2_ext; intros x y Hx Hy.
  rewrite Rmult_plus_distr_l, <- !Rmult_assoc, joint_capability, joint_proxy. ring.
Qed.

(** and no policy is below it: with Proposition 0, (1+λ) I(Z;Y|X) <= G_f(P) + λ Ĝ_s(P). *)
Theorem theorem4_minimum P : kernel n k P -> ele (Fin ((1 + lam) * cmi n k p)) (objective P).
Proof using All. intros HP. rewrite <- theorem4. apply proposition0; assumption. Qed.

(** The same in entropies: (1+λ) [H(Z|X) - H(Z|X,Y)] *)
Theorem theorem4_entropies : objective P_lam = Fin ((1 + lam) * (H_Z_X n k p - H_Z_XY n k p)).
Proof using All.
  rewrite theorem4, information_is_entropy_difference by exact joint_nonneg. reflexivity.
Qed.

(** Where capability data come both posteriors are positive; where proxy data come, below 1. *)
Lemma posteriors_capability x y :
  (x < n)%nat -> (y < k)%nat -> 0 < Df x * muf x y -> 0 < a x /\ 0 < r x y.
Proof using All.
  intros Hx Hy H. pose proof (proxy_mass x y Hx Hy) as Ny. pose proof (Df_nonneg x Hx).
  assert (0 <= lam * Dh x) by (apply Rmult_le_pos; auto).
  assert (Df x <> 0) by (intros E; rewrite E, Rmult_0_l in H; lra).
  destruct (pair_posterior_value x y Hx Hy) as [-> _]; [lra|].
  destruct (prompt_posterior_value x Hx) as [-> _]; [lra|]. split; apply Rdiv_lt_0_compat; lra.
Qed.

Lemma posteriors_proxy x y :
  (x < n)%nat -> (y < k)%nat -> 0 < lam * Dh x * muh x y -> 0 < 1 - a x /\ 0 < 1 - r x y.
Proof using All.
  intros Hx Hy H. pose proof (capability_mass x y Hx Hy) as Ny. pose proof (Df_nonneg x Hx).
  assert (0 <= lam * Dh x) by (apply Rmult_le_pos; auto).
  assert (lam * Dh x <> 0) by (intros E; rewrite E, Rmult_0_l in H; lra).
  destruct (pair_posterior_value x y Hx Hy) as [_ ->]; [lra|].
  destruct (prompt_posterior_value x Hx) as [_ ->]; [lra|]. split; apply Rdiv_lt_0_compat; lra.
Qed.

(** G_f(P_λ) = E_{D_f}[log 1/a] - E_f[log 1/r] *)
Theorem theorem4_capability_split :
  gap n k Df muf P_lam = Fin (sum n (fun x => Df x * ln (1 / a x))
                              - sum2 n k (fun x y => Df x * muf x y * ln (1 / r x y))).
Proof using All.
  rewrite theorem4_capability_gap, (prompt_term n k Df muf), <- sum2_minus by assumption. f_equal.
  apply sum2_ext; intros x y Hx Hy. rewrite <- Rmult_minus_distr_l.
  apply mult_where; [apply capability_mass; assumption|]. intros H.
  destruct (posteriors_capability x y Hx Hy H). rewrite !ln_inverse by assumption. ring.
Qed.

(** Ĝ_s(P_λ) = E_D̂[log 1/(1-a)] - E_ŝ[log 1/(1-r)] *)
Theorem theorem4_proxy_split :
  0 < lam ->
  gap n k Dh muh P_lam = Fin (sum n (fun x => Dh x * ln (1 / (1 - a x)))
                              - sum2 n k (fun x y => Dh x * muh x y * ln (1 / (1 - r x y)))).
Proof using All.
  intros Hl.
  rewrite theorem4_proxy_gap, (prompt_term n k Dh muh), <- sum2_minus by assumption. f_equal.
  apply sum2_ext; intros x y Hx Hy. rewrite <- Rmult_minus_distr_l.
  destruct (muh_kernel x Hx) as [Nh _].
  apply mult_where; [apply Rmult_le_pos; auto|]. intros H.
  destruct (posteriors_proxy x y Hx Hy) as [? ?].
  { rewrite Rmult_assoc. apply Rmult_lt_0_compat; assumption. }
  rewrite !ln_inverse by assumption. ring.
Qed.

End Theorem4.
