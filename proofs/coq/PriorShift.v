(** * Another penalty is a prior shift

    The posterior of "capability" at λ has the logit that it has at λ = 1, less log λ: one fit of a
    classifier serves every penalty. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Information Theorem4.
Open Scope R_scope.

(** 1/(1+exp(-t)), the inverse of the logit *)
Definition logistic (t : R) : R := 1 / (1 + exp (- t)).
Definition logit (v : R) : R := ln (v / (1 - v)).

(** The other source's probability has the opposite logit. *)
Lemma logistic_opposite t : 1 - logistic t = logistic (- t).
Proof.
  unfold logistic. pose proof (exp_pos t) as H. rewrite Ropp_involutive, exp_Ropp.
  field. split; [|lra]. apply Rgt_not_eq. lra.
Qed.

(** u/(u+v) has the logit log(u/v). *)
Lemma logistic_ratio u v : 0 < u -> 0 < v -> u / (u + v) = logistic (ln (u / v)).
Proof.
  intros Hu Hv. assert (0 < u / v) by (apply Rdiv_lt_0_compat; assumption).
  unfold logistic. rewrite exp_Ropp, exp_ln by assumption. field. lra.
Qed.

(** For weights a0, b0 of the two sources at λ = 1, the share at λ has logit log(a0/b0) - log λ. *)
Theorem prior_shift lam a0 b0 :
  0 < lam -> 0 < a0 -> 0 < b0 -> share a0 (lam * b0) = logistic (ln (a0 / b0) - ln lam).
Proof.
  intros Hl Ha Hb. pose proof (Rmult_lt_0_compat _ _ Hl Hb) as Hlb.
  unfold share. destruct (Rlt_dec 0 (a0 + lam * b0)); [|lra].
  rewrite logistic_ratio, !ln_div, ln_mult by assumption. f_equal. ring.
Qed.

(** The same from the posterior at λ = 1: a share r1 in (0,1) of u against v becomes, against λv,
    1/(1 + exp(-(logit r1 - log λ))). *)
Lemma prior_shift_share lam u v :
  0 < lam -> 0 <= u -> 0 <= v -> 0 < u / (u + v) < 1 ->
  u / (u + lam * v) = logistic (logit (u / (u + v)) - ln lam).
Proof.
  intros Hl Hu Hv [H0 H1].
  assert (Pu : 0 < u) by (destruct Hu as [|E]; [assumption | rewrite <- E, div_0 in H0; lra]).
  assert (Pv : 0 < v).
  { destruct Hv as [|E]; [assumption|]. rewrite <- E, Rplus_0_r in H1.
    replace (u / u) with 1 in H1 by (field; lra). lra. }
  unfold logit. replace (u / (u + v) / (1 - u / (u + v))) with (u / v) by (field; lra).
  rewrite <- prior_shift by assumption. unfold share.
  pose proof (Rmult_lt_0_compat _ _ Hl Pv). destruct (Rlt_dec 0 (u + lam * v)); [reflexivity|lra].
Qed.

Section Shift.

Variables (n k : nat) (Df Dh : nat -> R) (muf muh : nat -> nat -> R) (lam : R).
Hypothesis Df_nonneg : nonneg n Df.
Hypothesis Dh_nonneg : nonneg n Dh.
Hypothesis muf_kernel : kernel n k muf.
Hypothesis muh_kernel : kernel n k muh.
Hypothesis lam_pos : 0 < lam.

(** One fit at λ = 1 serves every λ: the logit of r(x,y) shifts by -log λ, *)
Theorem prior_shift_pair x y :
  (x < n)%nat -> (y < k)%nat ->
  let r1 := pair_posterior (joint Df Dh muf muh 1) x y in
  0 < r1 < 1 ->
  pair_posterior (joint Df Dh muf muh lam) x y = logistic (logit r1 - ln lam).
Proof using All.
  intros Hx Hy r1 H. destruct (muf_kernel x Hx) as [Nf _]. destruct (muh_kernel x Hx) as [Nh _].
  assert (Nu : 0 <= Df x * muf x y) by (apply Rmult_le_pos; auto).
  assert (Nv : 0 <= Dh x * muh x y) by (apply Rmult_le_pos; auto).
  assert (E : forall c, 0 < c -> pair_posterior (joint Df Dh muf muh c) x y
              = Df x * muf x y / (Df x * muf x y + c * (Dh x * muh x y))).
  { intros c Hc. unfold pair_posterior. rewrite p_xy_sum. unfold joint.
    rewrite (Rmult_assoc c). apply prior_cancel; [assumption | apply Rmult_le_pos; lra | lra]. }
  unfold r1 in *. rewrite (E 1), Rmult_1_l in * by lra. rewrite E by assumption.
  apply prior_shift_share; assumption.
Qed.

(** and so does that of a(x). *)
Theorem prior_shift_prompt x :
  (x < n)%nat ->
  let a1 := prompt_posterior k (joint Df Dh muf muh 1) x in
  0 < a1 < 1 ->
  prompt_posterior k (joint Df Dh muf muh lam) x = logistic (logit a1 - ln lam).
Proof using All.
  intros Hx a1 H.
  assert (E : forall c, 0 < c -> prompt_posterior k (joint Df Dh muf muh c) x
              = Df x / (Df x + c * Dh x)).
  { intros c Hc. unfold prompt_posterior. rewrite p_x_sum.
    rewrite (p_zx_capability n), (p_zx_proxy n) by assumption.
    apply prior_cancel; [auto | apply Rmult_le_pos; [lra | auto] | lra]. }
  unfold a1 in *. rewrite (E 1), Rmult_1_l in * by lra. rewrite E by assumption.
  apply prior_shift_share; auto.
Qed.

End Shift.
