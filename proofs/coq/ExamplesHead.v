(** * Theorem 3 at work on an output head

    For one token with V = 2, h = 1 and target (3/4, 1/4), the certified constants are √2 and ½. The
    curvature ½ is attained at W = 0, and √2 is approached by the gradient where the target is one
    token that the model rules out. *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Extended Divergence Calculus Theorem3
  LargestRadius Drift Softmax LinearSoftmax ExamplesBall.
Open Scope R_scope.

Definition no_offset (t v : nat) : R := 0.
Definition one_feature (t i : nat) : R := 1.
Definition soft_target (t v : nat) : R := match v with 0%nat => 3/4 | _ => 1/4 end.
Definition hard_target (t v : nat) : R := match v with 0%nat => 1 | _ => 0 end.

(** The head W = (u0, u1), whose entries are the two logits *)
Definition two_logits (u0 u1 : R) : vec := fun i => match i with 0%nat => u0 | _ => u1 end.

Local Notation head_gap := (linear_gap 2 1 1 1 no_offset one_feature soft_target).
Local Notation head_grad q := (linear_gap_grad 2 1 1 1 no_offset one_feature q).
Local Notation L_head := (linear_lipschitz 1 1 1 one_feature).
Local Notation S_head := (linear_smoothness 1 1 1 one_feature).

Lemma soft_target_dist t : (t < 1)%nat -> dist 2 (soft_target t).
Proof. split; [intros [|v] _|]; simpl; lra. Qed.

Lemma pair_logit t u0 u1 v :
  (v < 2)%nat -> token_logits 2 1 no_offset one_feature t (two_logits u0 u1) v = two_logits u0 u1 v.
Proof.
  intros Hv. rewrite token_logits_row by exact Hv. unfold row, dot, no_offset, one_feature. simpl.
  rewrite Nat.mul_1_r, Nat.add_0_r. ring.
Qed.

Lemma pair_softmax t u0 u1 v :
  (v < 2)%nat ->
  softmax 2 (token_logits 2 1 no_offset one_feature t (two_logits u0 u1)) v
  = exp (two_logits u0 u1 v) / (exp u0 + exp u1).
Proof.
  intros Hv. unfold softmax, partition. cbn [sum]. rewrite !pair_logit by lia.
  rewrite Rplus_0_l. reflexivity.
Qed.

Lemma pair_gap u0 u1 :
  head_gap (two_logits u0 u1) = 3/4 * ln (3/4 / (exp u0 / (exp u0 + exp u1)))
                          + 1/4 * ln (1/4 / (exp u1 / (exp u0 + exp u1))).
Proof. unfold linear_gap, loss. cbn [sum]. rewrite !pair_softmax by lia. simpl. field. Qed.

Lemma pair_grad q u0 u1 v :
  (v < 2)%nat ->
  head_grad q (two_logits u0 u1) v = exp (two_logits u0 u1 v) / (exp u0 + exp u1) - q 0%nat v.
Proof.
  intros Hv. rewrite <- (pair_softmax 0) by exact Hv. unfold linear_gap_grad. cbn [sum].
  replace v with (v * 1 + 0)%nat at 1 by lia. rewrite head_gradient by lia.
  unfold one_feature, token_logits. simpl. field.
Qed.

Lemma norm_pair u : norm (2 * 1) u = sqrt (u 0%nat * u 0%nat + u 1%nat * u 1%nat).
Proof. unfold norm, dot. simpl. f_equal. ring. Qed.

Lemma pair_grad_norm q u0 u1 :
  norm (2 * 1) (head_grad q (two_logits u0 u1))
  = sqrt ((exp u0 / (exp u0 + exp u1) - q 0%nat 0%nat) ^ 2
          + (exp u1 / (exp u0 + exp u1) - q 0%nat 1%nat) ^ 2).
Proof. rewrite norm_pair, !pair_grad by lia. simpl. f_equal. ring. Qed.

Example value_linear_lipschitz : L_head = sqrt (2).
Proof.
  unfold linear_lipschitz. cbn [sum]. rewrite norm_R, Rabs_pos_eq; unfold one_feature; simpl; lra.
Qed.

Example value_linear_smoothness : S_head = 1/2.
Proof.
  unfold linear_smoothness. cbn [sum]. rewrite norm_R, Rabs_pos_eq; unfold one_feature; simpl;
    [field | lra].
Qed.

Example value_linear_gap : head_gap (two_logits 0 0) = 3/4 * ln (3/2) + 1/4 * ln (1/2).
Proof. rewrite pair_gap, exp_0. f_equal; f_equal; f_equal; lra. Qed.

Example value_linear_gradient : norm (2 * 1) (head_grad soft_target (two_logits 0 0)) = sqrt (1/8).
Proof. rewrite pair_grad_norm, exp_0. simpl. f_equal. lra. Qed.

(** The gradient whose norm is bounded is that of the gap. *)
Example gradient_applies W : has_gradient (2 * 1) head_gap W (head_grad soft_target W).
Proof. apply linear_gap_gradient, soft_target_dist. Qed.

(** Both constants, everywhere *)
Example constants_apply :
  (forall W, norm (2 * 1) (head_grad soft_target W) <= sqrt 2) /\
  (forall W u, exists c, has_curvature (2 * 1) (head_grad soft_target) W u c /\
    0 <= c <= 1/2 * (norm (2 * 1) u * norm (2 * 1) u)).
Proof.
  rewrite <- value_linear_lipschitz, <- value_linear_smoothness. split; intros.
  - apply linear_softmax_lipschitz; [exact soft_target_dist | exact Nat.lt_0_1].
  - apply linear_softmax_smoothness; [exact soft_target_dist | exact Nat.lt_0_1].
Qed.

(** Theorem 3 from W = 0 with radius 1 *)
Example linear_softmax_theorem3_applies :
  forall W, ball (2 * 1) (two_logits 0 0) 1 W ->
  head_gap W <= 3/4 * ln (3/2) + 1/4 * ln (1/2) + sqrt 2 /\
  head_gap W <= 3/4 * ln (3/2) + 1/4 * ln (1/2) + sqrt (1/8) + 1/4.
Proof.
  intros W B. pose proof (linear_softmax_theorem3 2 1 1 1 no_offset one_feature soft_target
    soft_target_dist Nat.lt_0_1 (two_logits 0 0) 1 W B) as [H1 H2].
  rewrite value_linear_gap, value_linear_lipschitz in H1.
  rewrite value_linear_gap, value_linear_gradient, value_linear_smoothness in H2. lra.
Qed.

(** The gap is 0 at W = (log 3, 0), the best point of the ball of radius log 3. *)
Lemma best_head : minimiser (2 * 1) head_gap (two_logits 0 0) (ln 3) (two_logits (ln 3) 0).
Proof.
  assert (L : 0 < ln 3) by (rewrite <- ln_1; apply ln_increasing; lra). split.
  - unfold ball. rewrite norm_pair. simpl. right. apply sqrt_of; [lra|ring].
  - intros W _. rewrite pair_gap, exp_0, exp_ln by lra.
    replace (3/4 / (3 / (3 + 1))) with 1 by field. replace (1/4 / (1 / (3 + 1))) with 1 by field.
    rewrite ln_1, !Rmult_0_r, Rplus_0_r.
    pose proof (linear_gap_KL 2 1 1 1 no_offset one_feature soft_target soft_target_dist
      Nat.lt_0_1 W) as E. simpl INR in E. rewrite Rmult_1_l in E.
    change (ele (Fin 0) (Fin (head_gap W))). rewrite <- E. apply esum_nonneg; intros t Ht.
    apply gibbs; [apply soft_target_dist, Ht | apply softmax_dist; lia].
Qed.

Lemma head_best_step : best_step (sqrt (1/8)) (1/2) (ln 3) = 2 * sqrt (1/8).
Proof.
  assert (L : 1 <= ln 3) by (rewrite <- (ln_exp 1); apply ln_le; [apply exp_pos | apply exp_le_3]).
  assert (Q : sqrt (1/8) < 1/2).
  { rewrite <- (sqrt_of (1/4) (1/2)) by lra. apply sqrt_lt_1; lra. }
  unfold best_step. destruct (Rle_dec _ _); [lra|]. rewrite Rmin_right; lra.
Qed.

Example linear_softmax_capability_applies :
  0 <= head_gap (two_logits (ln 3) 0) <= 3/4 * ln (3/2) + 1/4 * ln (1/2) - 1/8.
Proof.
  pose proof (linear_softmax_capability 2 1 1 1 no_offset one_feature soft_target
    soft_target_dist Nat.lt_0_1 (two_logits 0 0) (ln 3) (two_logits (ln 3) 0) best_head) as [_ U].
  rewrite value_linear_gap, value_linear_gradient, value_linear_smoothness, head_best_step in U.
  assert (Q : sqrt (1/8) * sqrt (1/8) = 1/8) by (apply sqrt_sqrt; lra). split; [|simpl in U; lra].
  right. rewrite pair_gap, exp_0, exp_ln by lra.
  replace (3/4 / (3 / (3 + 1))) with 1 by field. replace (1/4 / (1 / (3 + 1))) with 1 by field.
  rewrite ln_1. ring.
Qed.

(** The curvature ½ ‖u‖² is attained at W = 0, where p = (½, ½), along u = (1, -1). *)
Example smoothness_attained :
  let u := two_logits 1 (-1) in
  has_curvature (2 * 1) (head_grad soft_target) (two_logits 0 0) u
    (S_head * (norm (2 * 1) u * norm (2 * 1) u)).
Proof.
  intros u. rewrite value_linear_smoothness, norm_sqr.
  replace (1/2 * dot (2 * 1) u u) with
    (Var 2 (softmax 2 (token_logits 2 1 no_offset one_feature 0 (two_logits 0 0)))
      (slopes (2 * 1) (head 1 (one_feature 0)) u)).
  - replace (head_grad soft_target) with
      (token_grad (2 * 1) 2 (no_offset 0) (head 1 (one_feature 0)) (soft_target 0)).
    + apply softmax_curvature, soft_target_dist. lia.
    + apply functional_extensionality; intros W. apply functional_extensionality; intros i.
      unfold linear_gap_grad. cbn [sum]. simpl INR. field.
  - unfold Var, mean, slopes. cbn [sum]. rewrite !pair_softmax, !head_logit, exp_0 by lia.
    unfold dot, row, one_feature, u. simpl. rewrite exp_0. field.
Qed.

(** √2 is approached where the target is one token and the model rules it out. *)
Example lipschitz_approached :
  forall eps, 0 < eps -> exists W, sqrt 2 - eps < norm (2 * 1) (head_grad hard_target W).
Proof.
  intros eps H. exists (two_logits (ln (eps / 2)) 0).
  rewrite pair_grad_norm, exp_0, exp_ln by lra. simpl hard_target. set (e := eps / 2).
  assert (He : 0 < e) by (unfold e; lra).
  replace (_ + _) with (2 * (1 / (e + 1)) ^ 2) by (field; lra).
  rewrite sqrt_mult_alt, sqrt_pow2 by (try lra; left; apply Rdiv_lt_0_compat; lra).
  assert (Q : sqrt 2 < 2).
  { apply Rlt_le_trans with (sqrt 4); [apply sqrt_lt_1; lra | right; apply sqrt_of; lra]. }
  apply (Rmult_lt_reg_r (e + 1)); [lra|].
  replace (sqrt 2 * (1 / (e + 1)) * (e + 1)) with (sqrt 2) by (field; lra).
  replace eps with (2 * e) by (unfold e; field).
  assert (sqrt 2 * e < 2 * e) by (apply Rmult_lt_compat_r; lra).
  assert (0 < e * e) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
