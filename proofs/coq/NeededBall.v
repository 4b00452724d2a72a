(** * Where Theorem 3 needs a hypothesis, an example shows it false without it *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Theorem1 Theorem2
  ClassifierBound Information Theorem4 LowerEnds Preference Calculus Theorem3 LinearSoftmax
  ExampleProblem Examples ExamplesBall ExamplesHead Needed.
Open Scope R_scope.

(** In one dimension a derivative is a gradient. *)
Lemma derivative_gradient f theta l :
  derivable_pt_lim f (theta 0%nat) l -> has_gradient 1 (fun y => f (y 0%nat)) theta (fun _ => l).
Proof.
  intros H eps Heps. destruct (H eps Heps) as [[delta Hd] K]. simpl in K.
  exists delta. split; [exact Hd|]. intros y Hy. rewrite norm_R in *.
  unfold dot. simpl. set (x := theta 0%nat) in *. set (h := y 0%nat - x) in *.
  replace (y 0%nat) with (x + h) by (unfold h; ring).
  destruct (Req_dec h 0) as [E|E].
  - rewrite E. replace (_ - _ - _) with 0 by (rewrite Rplus_0_r; ring). rewrite Rabs_R0. lra.
  - specialize (K h E Hy).
    replace (_ - _ - _) with (((f (x + h) - f x) / h - l) * h) by (field; exact E).
    rewrite Rabs_mult. apply Rmult_le_compat_r; [apply Rabs_pos | lra].
Qed.

(** The gradient of θ² is 0 at 0: the paper's form with L from θ_s alone would say θ² <= 0. *)
Example theorem3_paper_needs_ball :
  let G := quadratic 0 1 in let grad := quadratic_grad 0 1 in
  gradient_on_ball 1 G grad start ex_radius /\ norm 1 (grad start) <= 0 /\
  exists theta, ball 1 start ex_radius theta /\ ~ G theta <= G start + 0 * ex_radius.
Proof.
  split; [intros theta _; apply quadratic_has_gradient|].
  split; [quadratics; lra|]. exists (point (1/2)). split; [apply half_in_ball | quadratics; lra].
Qed.

Definition cube (theta : vec) : R := theta 0%nat ^ 3.
Definition cube_grad (theta : vec) : vec := fun _ => 3 * theta 0%nat ^ 2.

(** The gradient and the curvature of θ³ are 0 at 0: the refined form with S from θ_s alone would
    say θ³ <= 0. *)
(** No part of L_s ε is left over: θ itself rises by 1 · ε. *)
Example theorem3_paper_needs_all_of_L :
  let G := quadratic 1 0 in let grad := quadratic_grad 1 0 in
  gradient_on_ball 1 G grad start ex_radius /\ gradient_bounded 1 grad start ex_radius 1 /\
  forall L, L < 1 -> exists theta, ball 1 start ex_radius theta /\ ~ G theta <= G start + L * ex_radius.
Proof.
  split; [intros theta _; apply quadratic_has_gradient|].
  split; [intros theta _; quadratics; rewrite ?Rabs_pos_eq; lra|].
  intros L HL. exists (point (1/2)). split; [apply half_in_ball | quadratics; lra].
Qed.

Example theorem3_refined_needs_ball :
  gradient_on_ball 1 cube cube_grad start ex_radius /\
  (forall v, has_curvature 1 cube_grad start v 0) /\
  exists theta, ball 1 start ex_radius theta /\
    ~ cube theta <= cube start + norm 1 (cube_grad start) * ex_radius + / 2 * 0 * ex_radius ^ 2.
Proof.
  split; [|split].
  - intros theta _. apply (derivative_gradient (fun t => t ^ 3)).
    replace (3 * theta 0%nat ^ 2) with (INR 3 * theta 0%nat ^ 2) by (simpl; ring).
    exact (derivable_pt_lim_pow (theta 0%nat) 3).
  - intros v. unfold has_curvature.
    replace (fun t => dot 1 (cube_grad (line start v t)) v)
      with (fun t => 0 + (3 * v 0%nat ^ 3) * t ^ 2).
    + replace 0 with (0 + 3 * v 0%nat ^ 3 * (INR 2 * 0 ^ 1)) at 2 by (simpl; ring).
      apply (derivable_pt_lim_plus (fun _ => 0) (fun t => 3 * v 0%nat ^ 3 * t ^ 2));
        [apply derivable_pt_lim_const|].
      apply (derivable_pt_lim_scal (fun t => t ^ 2)). exact (derivable_pt_lim_pow 0 2).
    + apply functional_extensionality; intros t. unfold dot, cube_grad, line, start, point. simpl.
      ring.
  - exists (point (1/2)). split; [apply half_in_ball|].
    rewrite norm_R. unfold cube, cube_grad, start, point. simpl.
    replace (3 * (0 * (0 * 1))) with 0 by ring. rewrite Rabs_R0. lra.
Qed.

(** The capability side speaks of the best point of the ball: the start is not below the bound, *)
Example capability_upper_needs_minimiser :
  exists theta, ball 1 start ex_radius theta /\
  ~ G_f theta <= G_f start - 1/2 * norm 1 (quadratic_grad (-3) 2 start) + / 2 * 4 * (1/2) ^ 2.
Proof.
  exists start. rewrite value_capability_upper. split; [|quadratics; lra].
  apply ball_start. quadratics; lra.
Qed.

(** and of a step within the ball: with t = ¾ > ε the bound would be -9/8, below the minimum -1. *)
Example capability_upper_needs_step :
  minimiser 1 G_f start ex_radius (point (1/2)) /\
  ~ G_f (point (1/2))
    <= G_f start - 3/4 * norm 1 (quadratic_grad (-3) 2 start) + / 2 * 4 * (3/4) ^ 2.
Proof. split; [exact half_minimises | quadratics; lra]. Qed.

(** The certified constants need targets that sum to 1: with q = (0, 4) the gradient is above √2. *)
Example linear_lipschitz_needs_dist :
  exists q W, (forall v, 0 <= q 0%nat v) /\
  ~ norm (2 * 1) (linear_gap_grad 2 1 1 1 no_offset one_feature q W)
    <= linear_lipschitz 1 1 1 one_feature.
Proof.
  exists (fun _ => two 0 4), (two_logits 0 0). split; [intros [|v]; simpl; lra|].
  rewrite pair_grad_norm, value_linear_lipschitz, exp_0.
  apply Rlt_not_le, sqrt_lt_1; simpl; lra.
Qed.
