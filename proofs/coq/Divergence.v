(** * Relative entropy on a finite set, +∞ included

    KL(p‖q) = Σ_j p_j log(p_j/q_j) with 0 log(0/q) = 0, and +∞ where p reaches what q does not. Gibbs'
    inequality with its case of equality, mixtures, and the compensation identity

        a KL(p‖r) + b KL(q‖r) = a KL(p‖m) + b KL(q‖m) + (a+b) KL(m‖r),   m = (a p + b q)/(a+b),

    which holds for every r, +∞ on both sides included. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended.
Open Scope R_scope.

(** ** Logarithms *)
Lemma ln_le_sub1 x : 0 < x -> ln x <= x - 1.
Proof.
  intros Hx. rewrite <- (ln_exp (x - 1)).
  destruct (exp_ineq1_le (x - 1)) as [H|H].
  - left. apply ln_increasing; lra.
  - rewrite <- H. right. f_equal. ring.
Qed.

Lemma ln_le x y : 0 < x -> x <= y -> ln x <= ln y.
Proof. intros Hx [H| ->]; [left; apply ln_increasing; assumption | lra]. Qed.

Lemma ln_div x y : 0 < x -> 0 < y -> ln (x / y) = ln x - ln y.
Proof.
  intros Hx Hy. unfold Rdiv.
  rewrite ln_mult, ln_Rinv by (try apply Rinv_0_lt_compat; assumption). ring.
Qed.

(** The tangent of log at c, which every bound by a classifier rests on. *)
Lemma ln_tangent u c : 0 < u -> 0 < c -> ln u <= u / c - 1 + ln c.
Proof.
  intros Hu Hc. assert (H : ln (u / c) <= u / c - 1).
  { apply ln_le_sub1, Rdiv_lt_0_compat; assumption. }
  rewrite ln_div in H by assumption. lra.
Qed.

(** ** One term of a divergence *)
Definition kl_term (x y : R) : ext :=
  if Rlt_dec 0 x then if Rlt_dec 0 y then Fin (x * ln (x / y)) else Inf else Fin 0.

Lemma kl_term_pos x y : 0 < x -> 0 < y -> kl_term x y = Fin (x * ln (x / y)).
Proof.
  intros Hx Hy. unfold kl_term.
  destruct (Rlt_dec 0 x); [|lra]. destruct (Rlt_dec 0 y); [reflexivity|lra].
Qed.

Lemma kl_term_0 y : kl_term 0 y = Fin 0.
Proof. unfold kl_term. destruct (Rlt_dec 0 0); [lra|reflexivity]. Qed.

Lemma kl_term_Inf x y : 0 < x -> ~ 0 < y -> kl_term x y = Inf.
Proof.
  intros Hx Hy. unfold kl_term.
  destruct (Rlt_dec 0 x); [|lra]. destruct (Rlt_dec 0 y); [lra|reflexivity].
Qed.

(** A finite term is the real number that Coq's total functions compute. *)
Lemma kl_term_finite x y :
  0 <= x -> (0 < x -> 0 < y) -> kl_term x y = Fin (x * ln (x / y)).
Proof.
  intros [Hx| <-] H; [apply kl_term_pos; auto|]. rewrite kl_term_0. f_equal. ring.
Qed.

Lemma kl_term_ge x y : 0 <= x -> 0 <= y -> ele (Fin (x - y)) (kl_term x y).
Proof.
  intros [Hx| <-] Hy; [|rewrite kl_term_0; simpl; lra].
  destruct (Rlt_dec 0 y) as [H|H]; [|rewrite kl_term_Inf by assumption; exact I].
  rewrite kl_term_pos by assumption. simpl.
  pose proof (ln_tangent y x H Hx) as T. rewrite ln_div by assumption.
  apply (Rmult_le_compat_l x) in T; [|lra].
  replace (x * (y / x - 1 + ln x)) with (y - x + x * ln x) in T by (field; lra). lra.
Qed.

Lemma kl_term_eq x y : 0 <= x -> 0 <= y -> kl_term x y = Fin (x - y) -> x = y.
Proof.
  intros [Hx| <-] Hy E; [|rewrite kl_term_0 in E; injection E; lra].
  destruct (Rlt_dec 0 y) as [H|H]; [|rewrite kl_term_Inf in E by assumption; discriminate].
  rewrite kl_term_pos in E by assumption. injection E as E.
  destruct (Req_dec x y) as [|Hne]; [assumption|exfalso].
  assert (Hr : 0 < y / x) by (apply Rdiv_lt_0_compat; assumption).
  assert (Hl : ln (y / x) <> 0).
  { intros Z. apply Hne. rewrite ln_div in Z by assumption. apply ln_inv; lra. }
  pose proof (exp_ineq1 _ Hl) as S. rewrite exp_ln in S by exact Hr.
  apply (Rmult_lt_compat_l x) in S; [|exact Hx].
  replace (x * (y / x)) with y in S by (field; lra).
  rewrite ln_div in * by assumption. lra.
Qed.

(** ** Divergences *)
Definition KL (k : nat) (p q : nat -> R) : ext := esum k (fun j => kl_term (p j) (q j)).

Lemma KL_ext k p p' q q' :
  (forall j, (j < k)%nat -> p j = p' j) -> (forall j, (j < k)%nat -> q j = q' j) ->
  KL k p q = KL k p' q'.
Proof. intros Hp Hq. apply esum_ext; intros j Hj. rewrite Hp, Hq by assumption. reflexivity. Qed.

(** Where p does not reach beyond q, the divergence is the familiar real number. *)
Lemma KL_finite k p q :
  nonneg k p -> (forall j, (j < k)%nat -> 0 < p j -> 0 < q j) ->
  KL k p q = Fin (sum k (fun j => p j * ln (p j / q j))).
Proof.
  intros Hp H. unfold KL. rewrite <- esum_Fin. apply esum_ext; intros j Hj.
  apply kl_term_finite; auto.
Qed.

(** A finite divergence tells that q reaches all that p does. *)
Lemma KL_finite_inv k p q x :
  KL k p q = Fin x -> forall j, (j < k)%nat -> 0 < p j -> 0 < q j.
Proof.
  intros E j Hj Hp. destruct (esum_finite_inv _ _ _ E j Hj) as [y Hy].
  destruct (Rlt_dec 0 (q j)) as [|Hn]; [assumption|].
  rewrite kl_term_Inf in Hy by assumption. discriminate.
Qed.

(** Gibbs' inequality *)
Theorem gibbs k p q : dist k p -> dist k q -> ele (Fin 0) (KL k p q).
Proof.
  intros [Hp Sp] [Hq Sq].
  replace 0 with (sum k (fun j => p j - q j)) by (rewrite sum_minus; lra).
  rewrite <- esum_Fin. apply esum_le; intros j Hj. apply kl_term_ge; auto.
Qed.

(** with equality exactly when both are the same *)
Theorem gibbs_equality k p q :
  dist k p -> dist k q ->
  (KL k p q = Fin 0 <-> forall j, (j < k)%nat -> p j = q j).
Proof.
  intros [Hp Sp] [Hq Sq]. split.
  - intros E j Hj. apply kl_term_eq; auto.
    destruct (esum_finite_inv _ _ _ E j Hj) as [x Hx]. rewrite Hx. f_equal.
    pose proof (kl_term_ge _ _ (Hp j Hj) (Hq j Hj)) as Ge. rewrite Hx in Ge. simpl in Ge.
    pose (f := fun i => eplus (Fin (q i - p i)) (kl_term (p i) (q i))).
    assert (Z : f j = Fin 0).
    { apply (esum_eq0 k f); [| |exact Hj]; unfold f.
      - intros i Hi. pose proof (kl_term_ge _ _ (Hp i Hi) (Hq i Hi)) as G.
        destruct (kl_term (p i) (q i)); simpl in *; lra.
      - rewrite esum_plus, esum_Fin, sum_minus. fold (KL k p q). rewrite E, Sp, Sq.
        simpl. lra. }
    unfold f in Z. rewrite Hx in Z. injection Z. lra.
  - intros E. rewrite (KL_finite k p q); [|exact Hp|intros j Hj H; rewrite <- E; assumption].
    f_equal. rewrite <- (sum_0 k). apply sum_ext; intros j Hj. rewrite <- E by assumption.
    destruct (Hp j Hj) as [H| <-]; [|ring].
    unfold Rdiv. rewrite Rinv_r, ln_1 by lra. ring.
Qed.

Lemma KL_self k p : dist k p -> KL k p p = Fin 0.
Proof. intros H. apply gibbs_equality; auto. Qed.

(** ** Mixtures *)

(** w p + (1-w) q *)
Definition mix (w : R) (p q : nat -> R) : nat -> R := fun j => w * p j + (1 - w) * q j.

Lemma mix_dist k w p q : 0 <= w <= 1 -> dist k p -> dist k q -> dist k (mix w p q).
Proof.
  intros Hw [Hp Sp] [Hq Sq]. split.
  - intros j Hj. apply Rplus_le_le_0_compat; apply Rmult_le_pos; auto; lra.
  - unfold mix. rewrite sum_plus, !sum_scal, Sp, Sq. ring.
Qed.

(** a/(a+b), and 0 where both are 0 *)
Definition share (a b : R) : R := if Rlt_dec 0 (a + b) then a / (a + b) else 0.

Lemma share_range a b : 0 <= a -> 0 <= b -> 0 <= share a b <= 1.
Proof.
  intros Ha Hb. unfold share. destruct (Rlt_dec 0 (a + b)) as [H|H]; [|lra].
  assert (E : a / (a + b) * (a + b) = a) by (field; lra).
  split; [apply Rmult_le_pos; [|left; apply Rinv_0_lt_compat]; lra|].
  apply (Rmult_le_reg_r (a + b)); lra.
Qed.

Lemma share_mult a b : 0 <= a -> 0 <= b -> (a + b) * share a b = a.
Proof.
  intros Ha Hb. unfold share. destruct (Rlt_dec 0 (a + b)) as [H|H]; [field; lra|lra].
Qed.

Lemma share_pos a b : 0 < a -> 0 <= b -> 0 < share a b.
Proof.
  intros Ha Hb. unfold share. destruct (Rlt_dec 0 (a + b)); [|lra].
  apply Rdiv_lt_0_compat; lra.
Qed.

(** 1-w is b's own share. *)
Lemma share_other a b : 0 <= a -> 0 <= b -> 0 < a + b -> 1 - share a b = share b a.
Proof.
  intros Ha Hb H. unfold share.
  destruct (Rlt_dec 0 (a + b)); [|lra]. destruct (Rlt_dec 0 (b + a)); [|lra]. field. lra.
Qed.

(** One term of the compensation identity, for every r. *)
Lemma compensation_term a b x y r :
  0 <= a -> 0 <= b -> 0 <= x -> 0 <= y ->
  let w := share a b in let m := w * x + (1 - w) * y in
  eplus (escale a (kl_term x r)) (escale b (kl_term y r))
  = eplus (eplus (escale a (kl_term x m)) (escale b (kl_term y m))) (escale (a + b) (kl_term m r)).
Proof.
  intros Ha Hb Hx Hy w m.
  destruct (Rlt_dec 0 (a + b)) as [Hab|Hab].
  2:{ replace a with 0 by lra. replace b with 0 by lra. rewrite Rplus_0_r, !escale_0.
      rewrite !eplus_0_l. reflexivity. }
  pose proof (share_mult a b Ha Hb) as Ew. fold w in Ew.
  pose proof (share_range a b Ha Hb) as Rw. fold w in Rw.
  assert (Em : (a + b) * m = a * x + b * y).
  { unfold m. rewrite Rmult_plus_distr_l, <- !Rmult_assoc, Rmult_minus_distr_l, Ew. ring. }
  assert (Hax : 0 <= a * x) by (apply Rmult_le_pos; assumption).
  assert (Hby : 0 <= b * y) by (apply Rmult_le_pos; assumption).
  assert (Hm : 0 <= m).
  { apply (Rmult_le_reg_l (a + b)); [exact Hab|]. rewrite Em. lra. }
  (* one summand: c KL(z|r) = c KL(z|m) + c z log(m/r), as long as r > 0 where it counts *)
  assert (T : forall c z, 0 <= c -> 0 <= z -> c * z <= (a + b) * m -> 0 < r ->
              escale c (kl_term z r) = eplus (escale c (kl_term z m)) (Fin (c * z * ln (m / r)))).
  { intros c z [Hc| <-] [Hz| <-] Hle Hr;
      rewrite ?kl_term_0, ?escale_0; try (simpl; f_equal; ring).
    assert (0 < m).
    { apply (Rmult_lt_reg_l (a + b)); [exact Hab|].
      apply Rlt_le_trans with (2 := Hle). rewrite Rmult_0_r. apply Rmult_lt_0_compat; assumption. }
    rewrite !kl_term_pos by assumption. simpl. f_equal.
    rewrite !ln_div by assumption. ring. }
  destruct (Rlt_dec 0 r) as [Hr|Hr].
  - rewrite (T a x), (T b y) by (assumption || lra). rewrite eplus_4. f_equal. simpl.
    rewrite kl_term_finite by auto. simpl. f_equal.
    replace ((a + b) * (m * ln (m / r))) with ((a + b) * m * ln (m / r)) by ring.
    rewrite Em. ring.
  - destruct (Rlt_dec 0 m) as [Pm|Pm].
    + rewrite (kl_term_Inf m r), (escale_Inf (a + b)) by assumption.
      destruct (Rlt_dec 0 (a * x)) as [P|P].
      * assert (0 < a /\ 0 < x) as [? ?] by (destruct Ha as [| <-]; destruct Hx as [| <-]; split; lra).
        rewrite (kl_term_Inf x r), escale_Inf by assumption.
        destruct (eplus (escale a (kl_term x m)) _); reflexivity.
      * assert (P' : 0 < b * y) by (pose proof (Rmult_lt_0_compat _ _ Hab Pm); lra).
        assert (0 < b /\ 0 < y) as [? ?] by (destruct Hb as [| <-]; destruct Hy as [| <-]; split; lra).
        rewrite (kl_term_Inf y r), (escale_Inf b) by assumption.
        rewrite eplus_comm. destruct (eplus (escale a (kl_term x m)) _); reflexivity.
    + assert (M0 : m = 0) by lra. rewrite M0, Rmult_0_r in *. rewrite kl_term_0.
      assert (Z : forall c z s, 0 <= c -> 0 <= z -> c * z = 0 -> escale c (kl_term z s) = Fin 0).
      { intros c z s [Hc| <-] [Hz| <-] E; rewrite ?kl_term_0, ?escale_0; try reflexivity.
        - pose proof (Rmult_lt_0_compat _ _ Hc Hz). lra.
        - simpl; f_equal; ring. }
      rewrite !(Z a x), !(Z b y) by (assumption || lra). simpl. f_equal. ring.
Qed.

(** The compensation identity *)
Theorem compensation k a b p q r :
  0 <= a -> 0 <= b -> nonneg k p -> nonneg k q ->
  let m := mix (share a b) p q in
  eplus (escale a (KL k p r)) (escale b (KL k q r))
  = eplus (eplus (escale a (KL k p m)) (escale b (KL k q m))) (escale (a + b) (KL k m r)).
Proof.
  intros Ha Hb Hp Hq m. assert (Hab : 0 <= a + b) by lra.
  unfold KL. rewrite <- !esum_scale, <- !esum_plus by assumption.
  apply esum_ext; intros j Hj. apply compensation_term; auto.
Qed.

(** A mixture is at most log 1/w from the component that has weight w. *)
Lemma KL_mix_le k w p q :
  0 <= w <= 1 -> dist k p -> nonneg k q -> ele (KL k p (mix w p q)) (log_inverse w).
Proof.
  intros Hw [Hp Sp] Hq. unfold log_inverse. destruct (Rlt_dec 0 w) as [Pw|_]; [|apply ele_Inf].
  assert (L : forall j, (j < k)%nat -> w * p j <= mix w p q j).
  { intros j Hj. unfold mix. assert (0 <= (1 - w) * q j) by (apply Rmult_le_pos; auto; lra). lra. }
  assert (M : forall j, (j < k)%nat -> 0 < p j -> 0 < mix w p q j).
  { intros j Hj P. apply Rlt_le_trans with (2 := L j Hj). apply Rmult_lt_0_compat; assumption. }
  rewrite KL_finite by auto. simpl.
  replace (ln (1 / w)) with (sum k (fun j => ln (1 / w) * p j)) by (rewrite sum_scal, Sp; ring).
  apply sum_le; intros j Hj. destruct (Hp j Hj) as [P| <-]; [|lra].
  rewrite Rmult_comm. apply Rmult_le_compat_r; [lra|]. apply ln_le.
  - apply Rdiv_lt_0_compat; auto.
  - apply (Rmult_le_reg_r (mix w p q j * w)); [apply Rmult_lt_0_compat; auto|].
    replace (p j / mix w p q j * (mix w p q j * w)) with (w * p j)
      by (field; apply Rgt_not_eq, M; assumption).
    replace (1 / w * (mix w p q j * w)) with (mix w p q j) by (field; lra). auto.
Qed.

Lemma KL_mix_le_other k w p q :
  0 <= w <= 1 -> nonneg k p -> dist k q -> ele (KL k q (mix w p q)) (log_inverse (1 - w)).
Proof.
  intros Hw Hp Hq. rewrite (KL_ext k q q _ (mix (1 - w) q p)) by (unfold mix; intros; ring).
  apply KL_mix_le; auto. lra.
Qed.
