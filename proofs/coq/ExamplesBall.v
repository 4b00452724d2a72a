(** * Theorem 3 at work on quadratics

    For G(θ) = a θ + c θ² on R, at θ_s = 0 with radius ½, every constant of Theorem 3 has a closed
    form. With a = 3 and c = 2 the refined bound is attained at θ = ½, and each end of the
    capability bracket is attained by a quadratic: no constant, ½ included, can be less. A test evaluates
    the same expressions in Python. *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Extended Divergence Calculus Theorem3
  LargestRadius Drift Softmax LinearSoftmax.
Open Scope R_scope.

(** ** Facts used below *)
Lemma norm_R u : norm 1 u = Rabs (u 0%nat).
Proof.
  unfold norm, dot. simpl. rewrite Rplus_0_l. exact (sqrt_Rsqr_abs (u 0%nat)).
Qed.

Lemma sqrt_of x y : 0 <= y -> x = y * y -> sqrt x = y.
Proof. intros Hy ->. apply sqrt_square, Hy. Qed.

(** ** Quadratics on R *)
Definition quadratic (a c : R) (theta : vec) : R := a * theta 0%nat + c * theta 0%nat ^ 2.
Definition quadratic_grad (a c : R) (theta : vec) : vec := fun _ => a + 2 * c * theta 0%nat.
Definition point (t : R) : vec := fun _ => t.

Lemma quadratic_has_gradient a c theta :
  has_gradient 1 (quadratic a c) theta (quadratic_grad a c theta).
Proof.
  apply (gradient_quadratic 1 _ _ _ (Rabs c)); [apply Rabs_pos|]. intros y. rewrite norm_sqr.
  unfold dot, quadratic, quadratic_grad. simpl.
  replace (_ - _ - _) with (c * ((y 0%nat - theta 0%nat) * (y 0%nat - theta 0%nat))) by ring.
  rewrite Rabs_mult, (Rabs_pos_eq (_ * _)) by apply Rle_0_sqr. lra.
Qed.

(** Its Hessian is the 1 × 1 matrix 2c. *)
Lemma quadratic_has_hessian a c theta :
  has_hessian 1 (quadratic_grad a c) theta (fun _ _ => 2 * c).
Proof.
  intros eps Heps. exists 1. split; [lra|]. intros y _. rewrite norm_R.
  unfold mat_vec, dot, quadratic_grad. simpl.
  replace (_ - _ - _) with 0 by ring. rewrite Rabs_R0.
  apply Rmult_le_pos; [lra | apply norm_nonneg].
Qed.

Lemma quadratic_curvature_bounded a c theta_s radius :
  curvature_bounded 1 (quadratic_grad a c) theta_s radius (2 * Rabs c).
Proof.
  apply (hessian_curvature_bounded 1 _ (fun _ _ _ => 2 * c)).
  - intros theta _. apply quadratic_has_hessian.
  - intros theta v _. rewrite !norm_R. unfold mat_vec, dot. simpl.
    rewrite Rplus_0_l, !Rabs_mult, (Rabs_pos_eq 2); lra.
Qed.

Definition start : vec := point 0.
Definition ex_radius : R := 1/2.

Lemma ball_start theta : ball 1 start ex_radius theta <-> Rabs (theta 0%nat) <= 1/2.
Proof. unfold ball. rewrite norm_R. unfold start, point. rewrite Rminus_0_r. reflexivity. Qed.

Lemma half_in_ball : ball 1 start ex_radius (point (1/2)).
Proof. apply ball_start. unfold point. rewrite Rabs_pos_eq; lra. Qed.

(** G_s = 3θ + 2θ², G_f = -3θ + 2θ², and -3θ - 2θ² for the lower end *)
Definition G_s : vec -> R := quadratic 3 2.
Definition G_f : vec -> R := quadratic (-3) 2.
Definition G_low : vec -> R := quadratic (-3) (-2).
Local Notation grad_s := (quadratic_grad 3 2).
Local Notation grad_f := (quadratic_grad (-3) 2).
Local Notation grad_low := (quadratic_grad (-3) (-2)).

Ltac quadratics :=
  unfold G_s, G_f, G_low, quadratic, quadratic_grad, start, point, ex_radius;
  rewrite ?norm_R; unfold Rabs; repeat destruct (Rcase_abs _); try (exfalso; lra).

Lemma G_s_assumptions :
  gradient_on_ball 1 G_s grad_s start ex_radius /\
  gradient_bounded 1 grad_s start ex_radius 5 /\
  curvature_bounded 1 grad_s start ex_radius 4.
Proof.
  repeat split.
  - intros theta _. apply quadratic_has_gradient.
  - intros theta B. apply ball_start in B. rewrite norm_R. unfold quadratic_grad.
    apply Rabs_le. revert B. unfold Rabs. destruct (Rcase_abs _); lra.
  - replace 4 with (2 * Rabs 2) by (rewrite Rabs_pos_eq; lra). apply quadratic_curvature_bounded.
Qed.

Lemma curvature_4 c : Rabs c = 2 -> curvature_bounded 1 (quadratic_grad (-3) c) start ex_radius 4.
Proof.
  intros Hc. replace 4 with (2 * Rabs c) by lra. apply quadratic_curvature_bounded.
Qed.

(** ** The safety gap *)
Example value_theorem3_paper : G_s start + 5 * ex_radius = 5/2.
Proof. quadratics. lra. Qed.

Example value_theorem3_refined :
  G_s start + norm 1 (grad_s start) * ex_radius + / 2 * 4 * ex_radius ^ 2 = 2.
Proof. quadratics. lra. Qed.

Example theorem3_applies :
  forall theta, ball 1 start ex_radius theta -> G_s theta <= 5/2 /\ G_s theta <= 2.
Proof.
  intros theta B. destruct G_s_assumptions as [HG [HL HS]].
  rewrite <- value_theorem3_paper, <- value_theorem3_refined. split.
  - apply (theorem3_paper 1 G_s grad_s); assumption.
  - apply (theorem3_refined 1 G_s grad_s); (assumption || lra).
Qed.

(** The refined bound is attained, so that no constant below ½ could stand in it. *)
Example theorem3_refined_attained : ball 1 start ex_radius (point (1/2)) /\ G_s (point (1/2)) = 2.
Proof. split; [apply half_in_ball | quadratics; lra]. Qed.

(** The largest radius for a limit of 2 is the radius ½ of the ball; by the paper's form 2/5. *)
Example value_largest_radius :
  largest_radius (2 - G_s start) (norm 1 (grad_s start)) 4 = 1/2.
Proof.
  unfold largest_radius. rewrite (sqrt_of _ 5); [|lra|]; quadratics; lra.
Qed.

Example value_largest_radius_paper : (2 - G_s start) / 5 = 2/5.
Proof. quadratics. lra. Qed.

Example largest_radius_applies :
  (forall eps, 0 <= eps ->
    (refined_bound (G_s start) (norm 1 (grad_s start)) 4 eps <= 2 <-> eps <= 1/2)) /\
  (forall eps, G_s start + 5 * eps <= 2 <-> eps <= 2/5).
Proof.
  rewrite <- value_largest_radius, <- value_largest_radius_paper. split.
  - apply (theorem3_largest_radius 2 (G_s start) (norm 1 (grad_s start)) 4); quadratics; lra.
  - apply (theorem3_largest_radius_paper 2 (G_s start) 5); quadratics; lra.
Qed.

Example largest_radius_keeps_applies : forall theta, ball 1 start ex_radius theta -> G_s theta <= 2.
Proof.
  destruct G_s_assumptions as [HG [_ HS]].
  apply (theorem3_largest_radius_keeps 1 G_s grad_s start ex_radius 4); try assumption;
    rewrite ?value_largest_radius; quadratics; lra.
Qed.

(** The drift t <∇G, v> + ½ t² <v, ∇²G v> along v = 1 for t = ½, and the remainder *)
Example value_drift : 1/2 * dot 1 (grad_s start) (point 1) + / 2 * (1/2) ^ 2 * 4 = 2.
Proof. unfold dot. simpl. quadratics. lra. Qed.

Example drift_applies :
  forall eps, 0 < eps -> exists delta, 0 < delta /\ forall t, t <> 0 -> Rabs t < delta ->
  Rabs ((G_s (line start (point 1) t) - G_s start - t * dot 1 (grad_s start) (point 1)) / t ^ 2
        - 4 / 2) < eps.
Proof.
  apply (theorem3_drift 1 G_s grad_s start ex_radius); [unfold ex_radius; lra | |].
  - apply G_s_assumptions.
  - replace 4 with (dot 1 (mat_vec 1 (fun _ _ => 2 * 2) (point 1)) (point 1))
      by (unfold mat_vec, dot, point; simpl; ring).
    apply hessian_curvature, quadratic_has_hessian.
Qed.

(** ** The capability gap *)
Example value_best_step : best_step (norm 1 (grad_f start)) 4 ex_radius = 1/2.
Proof. unfold best_step. destruct (Rle_dec _ _) as [H|H]; revert H; quadratics; lra. Qed.

(** In a ball of radius 1 the best step stays inside, at ‖g‖/L' = 3/4. *)
Example value_best_step_inside : best_step (norm 1 (grad_f start)) 4 1 = 3/4.
Proof.
  unfold best_step. destruct (Rle_dec _ _) as [H|H]; revert H; quadratics; intros; try lra.
  rewrite Rmin_right; lra.
Qed.

Example value_capability_upper :
  G_f start - 1/2 * norm 1 (grad_f start) + / 2 * 4 * (1/2) ^ 2 = -1.
Proof. quadratics; lra. Qed.

Example value_capability_lower :
  G_f start - norm 1 (grad_f start) * ex_radius - / 2 * 4 * ex_radius ^ 2 = -2.
Proof. quadratics; lra. Qed.

(** The best point of the ball is ½, where G_f = -1. *)
Lemma half_minimises : minimiser 1 G_f start ex_radius (point (1/2)).
Proof.
  split; [apply half_in_ball|]. intros theta B. apply ball_start in B.
  unfold G_f, quadratic, point. set (t := theta 0%nat) in *.
  assert (H : t <= 1/2) by (apply Rle_trans with (1 := Rle_abs t) (2 := B)).
  assert (0 <= (1/2 - t) * (1 - t)) by (apply Rmult_le_pos; lra). lra.
Qed.

Example capability_applies :
  minimiser 1 G_f start ex_radius (point (1/2)) /\
  -2 <= G_f (point (1/2)) <= -1 /\
  forall theta, ball 1 start ex_radius theta -> -2 <= G_f theta.
Proof.
  assert (HG : gradient_on_ball 1 G_f grad_f start ex_radius)
    by (intros theta _; apply quadratic_has_gradient).
  assert (HS : curvature_bounded 1 grad_f start ex_radius 4)
    by (apply curvature_4, Rabs_pos_eq; lra).
  rewrite <- value_capability_upper, <- value_capability_lower.
  assert (L : forall theta, ball 1 start ex_radius theta -> _ <= G_f theta)
    by (apply (theorem3_capability_lower 1 G_f grad_f start ex_radius 4); (assumption || lra)).
  split; [exact half_minimises|]. split; [split; [apply L, half_in_ball|]|exact L].
  pose proof (theorem3_capability_best 1 G_f grad_f start ex_radius 4 (point (1/2))) as U.
  cbv zeta in U. rewrite value_best_step in U. apply U; (assumption || exact half_minimises || lra).
Qed.

(** A step that is not the best, t = ¼, proves less. *)
Example capability_upper_applies : G_f (point (1/2)) <= -5/8.
Proof.
  pose proof (theorem3_capability_upper 1 G_f grad_f start ex_radius 4 (point (1/2))) as U.
  assert (HG : gradient_on_ball 1 G_f grad_f start ex_radius)
    by (intros theta _; apply quadratic_has_gradient).
  assert (HS : curvature_bounded 1 grad_f start ex_radius 4)
    by (apply curvature_4, Rabs_pos_eq; lra).
  specialize (U ltac:(lra) HG HS half_minimises (1/4)). revert U. quadratics. lra.
Qed.

(** Each end is attained: the upper one by G_f, the lower one by -3θ - 2θ². *)
Example capability_attained : G_f (point (1/2)) = -1 /\ G_low (point (1/2)) = -2.
Proof. split; quadratics; lra. Qed.

Example capability_lower_attained :
  curvature_bounded 1 grad_low start ex_radius 4 /\
  G_low start - norm 1 (grad_low start) * ex_radius - / 2 * 4 * ex_radius ^ 2
  = G_low (point (1/2)).
Proof.
  split; [apply curvature_4; rewrite Rabs_left; lra | quadratics; lra].
Qed.
