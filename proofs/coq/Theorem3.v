(** * Theorem 3: how far a fine-tune inside a ball moves a gap

    θ stays in the ball ‖θ - θ_s‖ <= ε. With L, S bounds on ‖∇G‖ and on the curvature in that ball,

        G(θ) <= G(θ_s) + L ε,        G(θ) <= G(θ_s) + ‖∇G(θ_s)‖ ε + ½ S ε²,

    and for the capability gap, with g = ∇G_f(θ_s), 0 <= t <= ε and θ⋆ the best point of the ball,

        G_f(θ_s) - ‖g‖ ε - ½ L' ε²  <=  G_f(θ⋆)  <=  G_f(θ_s) - t ‖g‖ + ½ L' t².

    The idea: Taylor's theorem along the segment from θ_s, which stays in the ball; for the upper
    side the step of length t along -g. Nothing is assumed about G outside of a neighbourhood of the ball. *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Calculus.
Open Scope R_scope.

(** ** The ball and what is known in it *)
Section Definitions.
Variables (d : nat) (G : vec -> R) (grad : vec -> vec) (theta_s : vec) (radius : R).

Definition ball (theta : vec) : Prop := norm d (fun i => theta i - theta_s i) <= radius.

Definition gradient_on_ball : Prop :=
  forall theta, ball theta -> has_gradient d G theta (grad theta).

Definition gradient_bounded (L : R) : Prop :=
  forall theta, ball theta -> norm d (grad theta) <= L.

(** The second derivative of G at x along v, <v, ∇²G(x) v>, is c. *)
Definition has_curvature (x v : vec) (c : R) : Prop :=
  derivable_pt_lim (fun t => dot d (grad (line x v t)) v) 0 c.

(** This follows from a Hessian of operator norm at most S, by [hessian_curvature]. *)
Definition curvature_bounded (S : R) : Prop :=
  forall theta v, ball theta ->
    exists c, has_curvature theta v c /\ Rabs c <= S * (norm d v * norm d v).

(** θ⋆ ∈ argmin { G(θ) : ‖θ - θ_s‖ <= ε } *)
Definition minimiser (theta_star : vec) : Prop :=
  ball theta_star /\ forall theta, ball theta -> G theta_star <= G theta.
End Definitions.

Lemma curvature_line d grad x v t c :
  has_curvature d grad (line x v t) v c ->
  derivable_pt_lim (fun s => dot d (grad (line x v s)) v) t c.
Proof.
  intros H eps Heps. destruct (H eps Heps) as [delta Hd]. exists delta. intros h Hh0 Hh.
  specialize (Hd h Hh0 Hh). rewrite !line_line, Rplus_0_l, Rplus_0_r in Hd. exact Hd.
Qed.

(** A gradient with derivative H at x, H a d × d matrix, gives the curvature <v, H v>. *)
Definition mat_vec (d : nat) (H : nat -> vec) (v : vec) : vec := fun i => dot d (H i) v.

Definition has_hessian (d : nat) (grad : vec -> vec) (x : vec) (H : nat -> vec) : Prop :=
  forall eps, 0 < eps -> exists delta, 0 < delta /\
    forall y, norm d (fun i => y i - x i) < delta ->
      norm d (fun i => grad y i - grad x i - mat_vec d H (fun i => y i - x i) i)
      <= eps * norm d (fun i => y i - x i).

Lemma hessian_curvature d grad x H v :
  has_hessian d grad x H -> has_curvature d grad x v (dot d (mat_vec d H v) v).
Proof.
  intros HH.
  assert (HG : has_gradient d (fun y => dot d (grad y) v) x
                 (fun j => sum d (fun i => v i * H i j))).
  { intros eps Heps. pose proof (norm_nonneg d v) as Hv.
    destruct (HH (eps / (norm d v + 1))) as [delta [Hd K]]; [apply Rdiv_lt_0_compat; lra|].
    exists delta. split; [exact Hd|]. intros y Hy. specialize (K y Hy).
    rewrite dot_sum_l. set (w := fun i => y i - x i) in *.
    replace (sum d (fun k => v k * dot d (H k) w)) with (dot d (mat_vec d H w) v)
      by (apply sum_ext; intros; apply Rmult_comm).
    rewrite <- !dot_minus_l. apply Rle_trans with (1 := Cauchy_Schwarz _ _ _).
    apply (Rmult_le_compat_r (norm d v)) in K; [|exact Hv]. apply Rle_trans with (1 := K).
    pose proof (norm_nonneg d w) as Hw. rewrite (Rmult_comm _ (norm d w)), Rmult_assoc.
    rewrite (Rmult_comm eps). apply Rmult_le_compat_l; [exact Hw|].
    apply (Rmult_le_reg_r (norm d v + 1)); [lra|].
    replace (eps / (norm d v + 1) * norm d v * (norm d v + 1)) with (eps * norm d v)
      by (field; lra). apply Rmult_le_compat_l; lra. }
  replace (dot d (mat_vec d H v) v) with (dot d (fun j => sum d (fun i => v i * H i j)) v)
    by (rewrite dot_sum_l; apply sum_ext; intros; apply Rmult_comm).
  apply (gradient_line d (fun y => dot d (grad y) v)). rewrite line_0. exact HG.
Qed.

(** A4 as the theory states it: ‖∇²G(θ)‖_op <= S at every θ of the ball. *)
Theorem hessian_curvature_bounded d grad hess theta_s radius S :
  (forall theta, ball d theta_s radius theta -> has_hessian d grad theta (hess theta)) ->
  (forall theta v, ball d theta_s radius theta ->
    norm d (mat_vec d (hess theta) v) <= S * norm d v) ->
  curvature_bounded d grad theta_s radius S.
Proof.
  intros HH HS theta v B. exists (dot d (mat_vec d (hess theta) v) v).
  split; [apply hessian_curvature, HH, B|].
  apply Rle_trans with (1 := Cauchy_Schwarz _ _ _). rewrite <- Rmult_assoc.
  apply Rmult_le_compat_r; [apply norm_nonneg | apply HS, B].
Qed.

(** ** Taylor's theorem along a segment in the ball *)
Section Taylor.
Variables (d : nat) (G : vec -> R) (grad : vec -> vec) (theta_s : vec) (radius : R).

Lemma ball_line v t : Rabs t * norm d v <= radius -> ball d theta_s radius (line theta_s v t).
Proof. intros H. unfold ball. rewrite line_minus, norm_scal. exact H. Qed.

Lemma ball_segment v t : norm d v <= radius -> 0 <= t <= 1 ->
  ball d theta_s radius (line theta_s v t).
Proof.
  intros Hv Ht. apply ball_line. rewrite Rabs_pos_eq by lra.
  pose proof (norm_nonneg d v) as N. apply Rle_trans with (2 := Hv).
  rewrite <- (Rmult_1_l (norm d v)) at 2. apply Rmult_le_compat_r; lra.
Qed.

Lemma ball_radius theta : ball d theta_s radius theta -> 0 <= radius.
Proof. intros B. apply Rle_trans with (2 := B), norm_nonneg. Qed.

Hypothesis gradient : gradient_on_ball d G grad theta_s radius.

Lemma taylor_first L v : gradient_bounded d grad theta_s radius L -> norm d v <= radius ->
  G (line theta_s v 1) <= G theta_s + L * norm d v.
Proof using gradient.
  intros HL Hv.
  assert (H : G (line theta_s v 1) - G (line theta_s v 0) <= L * norm d v * (1 - 0)).
  { apply (mvt_le (fun t => G (line theta_s v t))); [lra|]. intros t Ht.
    assert (B : ball d theta_s radius (line theta_s v t)) by (apply ball_segment; assumption).
    exists (dot d (grad (line theta_s v t)) v). split; [apply gradient_line, gradient, B|].
    apply Rle_trans with (1 := dot_le _ _ _).
    apply Rmult_le_compat_r; [apply norm_nonneg | apply HL, B]. }
  rewrite line_0 in H. lra.
Qed.

Variable S : R.
Hypothesis curvature : curvature_bounded d grad theta_s radius S.

Lemma taylor_second v : norm d v <= radius ->
  Rabs (G (line theta_s v 1) - G theta_s - dot d (grad theta_s) v)
  <= / 2 * S * (norm d v * norm d v).
Proof using gradient curvature.
  intros Hv. set (f := fun t => G (line theta_s v t)).
  set (f' := fun t => dot d (grad (line theta_s v t)) v). set (K := S * (norm d v * norm d v)).
  assert (B : forall t, 0 <= t <= 1 -> ball d theta_s radius (line theta_s v t)).
  { intros t Ht. apply ball_segment; assumption. }
  assert (Df : forall t, 0 <= t <= 1 -> derivable_pt_lim f t (f' t)).
  { intros t Ht. apply gradient_line, gradient, B, Ht. }
  assert (Df' : forall t, 0 <= t <= 1 -> exists c, derivable_pt_lim f' t c /\ Rabs c <= K).
  { intros t Ht. destruct (curvature _ v (B t Ht)) as [c [Dc Hc]].
    exists c. split; [apply curvature_line, Dc | exact Hc]. }
  assert (Up : f 1 <= f 0 + f' 0 + K / 2).
  { apply second_order_upper; [exact Df|]. intros t Ht. destruct (Df' t Ht) as [c [Dc Hc]].
    exists c. split; [exact Dc|]. apply Rle_trans with (1 := Rle_abs c), Hc. }
  assert (Lo : f 0 + f' 0 + - K / 2 <= f 1).
  { apply second_order_lower; [exact Df|]. intros t Ht. destruct (Df' t Ht) as [c [Dc Hc]].
    exists c. split; [exact Dc|]. pose proof (Rle_abs (- c)) as A. rewrite Rabs_Ropp in A. lra. }
  unfold f, f' in Up, Lo. rewrite !line_0 in Up, Lo. apply Rabs_le. unfold K in *. lra.
Qed.

Lemma taylor_upper v : norm d v <= radius ->
  G (line theta_s v 1) <= G theta_s + dot d (grad theta_s) v + / 2 * S * (norm d v * norm d v).
Proof using gradient curvature.
  intros Hv. pose proof (Rle_trans _ _ _ (Rle_abs _) (taylor_second v Hv)). lra.
Qed.

End Taylor.

(** ** The safety gap *)

(** G_s(θ) <= G_s(θ_s) + L_s ε for every θ in the ball (A3) *)
Theorem theorem3_paper d G grad theta_s radius L :
  gradient_on_ball d G grad theta_s radius ->
  gradient_bounded d grad theta_s radius L ->
  forall theta, ball d theta_s radius theta -> G theta <= G theta_s + L * radius.
Proof.
  intros HG HL theta B.
  pose proof (taylor_first d G grad theta_s radius HG L _ HL B) as H. rewrite line_to in H.
  apply Rle_trans with (1 := H), Rplus_le_compat_l, Rmult_le_compat_l; [|exact B].
  apply Rle_trans with (2 := HL theta B), norm_nonneg.
Qed.

(** G_s(θ) <= G_s(θ_s) + ‖∇G_s(θ_s)‖ ε + ½ S_s ε² for every θ in the ball (A4). S >= 0 is a
    hypothesis for the sake of d = 0 alone, see [curvature_bounded_nonneg]. *)
Theorem theorem3_refined d G grad theta_s radius S :
  0 <= S ->
  gradient_on_ball d G grad theta_s radius ->
  curvature_bounded d grad theta_s radius S ->
  forall theta, ball d theta_s radius theta ->
  G theta <= G theta_s + norm d (grad theta_s) * radius + / 2 * S * radius ^ 2.
Proof.
  intros HS HG HC theta B. set (v := fun i => theta i - theta_s i).
  assert (Hv : norm d v <= radius) by exact B.
  pose proof (taylor_upper d G grad theta_s radius HG S HC v Hv) as H.
  replace (line theta_s v 1) with theta in H by (symmetry; apply line_to).
  pose proof (dot_le d (grad theta_s) v) as Hd. pose proof (norm_nonneg d v) as Nv.
  apply Rle_trans with (1 := H). apply Rplus_le_compat.
  - apply Rplus_le_compat_l. apply Rle_trans with (1 := Hd).
    apply Rmult_le_compat_l; [apply norm_nonneg | exact Hv].
  - rewrite <- Rsqr_pow2. apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat; assumption.
Qed.

(** Where there is a direction at all, a bound on curvatures is >= 0. *)
Lemma curvature_bounded_nonneg d grad theta_s radius S :
  (0 < d)%nat -> 0 <= radius -> curvature_bounded d grad theta_s radius S -> 0 <= S.
Proof.
  intros Hd Hr HC.
  destruct (HC (line theta_s theta_s 0) (fun _ => 1)) as [c [_ Hc]].
  { apply ball_line. rewrite Rabs_R0, Rmult_0_l. exact Hr. }
  rewrite norm_sqr in Hc. pose proof (Rabs_pos c) as Pc.
  assert (P : 0 < dot d (fun _ => 1) (fun _ => 1)).
  { apply Rlt_le_trans with (1 * 1); [lra|].
    apply (sum_term_le d (fun _ => 1 * 1) 0); [intros; lra | exact Hd]. }
  apply (Rmult_le_reg_r (dot d (fun _ => 1) (fun _ => 1))); [exact P|]. lra.
Qed.

(** ** The capability gap *)

(** G_f(θ) >= G_f(θ_s) - ‖∇G_f(θ_s)‖ ε - ½ L'_f ε² for every θ in the ball, θ⋆ among them *)
Theorem theorem3_capability_lower d G_f grad theta_s radius L' :
  0 <= L' ->
  gradient_on_ball d G_f grad theta_s radius ->
  curvature_bounded d grad theta_s radius L' ->
  forall theta, ball d theta_s radius theta ->
  G_f theta_s - norm d (grad theta_s) * radius - / 2 * L' * radius ^ 2 <= G_f theta.
Proof.
  intros HL HG HC theta B. set (v := fun i => theta i - theta_s i).
  assert (Hv : norm d v <= radius) by exact B.
  pose proof (taylor_second d G_f grad theta_s radius HG L' HC v Hv) as H.
  rewrite Rabs_minus_sym in H. apply (Rle_trans _ _ _ (Rle_abs _)) in H.
  replace (line theta_s v 1) with theta in H by (symmetry; apply line_to).
  pose proof (dot_ge d (grad theta_s) v) as Hd. pose proof (norm_nonneg d v) as Nv.
  assert (H1 : norm d (grad theta_s) * norm d v <= norm d (grad theta_s) * radius).
  { apply Rmult_le_compat_l; [apply norm_nonneg | exact Hv]. }
  assert (H2 : / 2 * L' * (norm d v * norm d v) <= / 2 * L' * radius ^ 2).
  { rewrite <- Rsqr_pow2. apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat; assumption. }
  lra.
Qed.

(** The step of length t along -g reaches what the bound says. *)
Lemma capability_step d G_f grad theta_s radius L' t :
  0 <= L' ->
  gradient_on_ball d G_f grad theta_s radius ->
  curvature_bounded d grad theta_s radius L' ->
  0 <= t <= radius ->
  exists theta, ball d theta_s radius theta /\
    G_f theta <= G_f theta_s - t * norm d (grad theta_s) + / 2 * L' * t ^ 2.
Proof.
  intros HL HG HC Ht. set (g := grad theta_s). pose proof (norm_nonneg d g) as Ng.
  pose proof (pow2_ge_0 t) as Pt. apply (Rmult_le_compat_l (/ 2 * L')) in Pt; [|lra].
  destruct Ng as [Pg|Zg].
  - set (v := fun i => - (t / norm d g) * g i).
    assert (Nv : norm d v = t).
    { unfold v. rewrite norm_scal, Rabs_Ropp, Rabs_pos_eq; [field; lra|].
      apply Rmult_le_pos; [lra|]. left. apply Rinv_0_lt_compat, Pg. }
    exists (line theta_s v 1). split; [apply ball_segment; lra|].
    pose proof (taylor_upper d G_f grad theta_s radius HG L' HC v) as H.
    rewrite Nv in H. specialize (H (proj2 Ht)). fold g in H.
    replace (dot d g v) with (- (t * norm d g)) in H; [lra|].
    unfold v. rewrite dot_scal_r, <- norm_sqr. field. lra.
  - exists (line theta_s theta_s 0). split.
    + apply ball_line. rewrite Rabs_R0, Rmult_0_l. lra.
    + rewrite line_0, <- Zg. lra.
Qed.

(** G_f(θ⋆) <= G_f(θ_s) - t ‖g‖ + ½ L'_f t² with g = ∇G_f(θ_s), for every 0 <= t <= ε *)
Theorem theorem3_capability_upper d G_f grad theta_s radius L' theta_star :
  0 <= L' ->
  gradient_on_ball d G_f grad theta_s radius ->
  curvature_bounded d grad theta_s radius L' ->
  minimiser d G_f theta_s radius theta_star ->
  forall t, 0 <= t <= radius ->
  G_f theta_star <= G_f theta_s - t * norm d (grad theta_s) + / 2 * L' * t ^ 2.
Proof.
  intros HL HG HC [_ Hmin] t Ht.
  destruct (capability_step d G_f grad theta_s radius L' t HL HG HC Ht) as [theta [B H]].
  apply Rle_trans with (2 := H), Hmin, B.
Qed.

(** The step that the code takes: t = min(ε, ‖g‖/L'_f), without a division by 0 *)
Definition best_step (slope curvature radius : R) : R :=
  if Rle_dec (curvature * radius) slope then radius else Rmin radius (slope / curvature).

(** best_step = argmin of - t slope + ½ t² curvature over [0, ε] *)
Theorem best_step_optimal slope curvature radius :
  0 <= slope -> 0 <= curvature -> 0 <= radius ->
  let best := best_step slope curvature radius in
  0 <= best <= radius /\
  forall t, 0 <= t <= radius ->
  - best * slope + / 2 * best ^ 2 * curvature <= - t * slope + / 2 * t ^ 2 * curvature.
Proof.
  intros Hs Hc Hr best. unfold best, best_step. clear best.
  destruct (Rle_dec (curvature * radius) slope) as [H|H].
  - split; [lra|]. intros t Ht.
    assert (P : 0 <= (radius - t) * (slope - curvature * radius)) by (apply Rmult_le_pos; lra).
    assert (Q : 0 <= curvature * (radius - t) ^ 2).
    { apply Rmult_le_pos; [exact Hc | apply pow2_ge_0]. }
    lra.
  - assert (Pc : 0 < curvature).
    { destruct Hc as [Pc| <-]; [exact Pc|]. rewrite Rmult_0_l in H. lra. }
    set (b := slope / curvature). assert (E : slope = curvature * b) by (unfold b; field; lra).
    assert (Hb : b <= radius) by (apply (Rmult_le_reg_l curvature); lra).
    rewrite Rmin_right by exact Hb. split.
    + split; [|exact Hb]. apply Rmult_le_pos; [exact Hs|]. left. apply Rinv_0_lt_compat, Pc.
    + intros t _. rewrite E. pose proof (pow2_ge_0 (t - b)) as Q.
      apply (Rmult_le_compat_l curvature) in Q; lra.
Qed.

(** G_f(θ⋆) <= G_f(θ_s) - t ‖g‖ + ½ L'_f t² at the code's t *)
Corollary theorem3_capability_best d G_f grad theta_s radius L' theta_star :
  0 <= L' ->
  gradient_on_ball d G_f grad theta_s radius ->
  curvature_bounded d grad theta_s radius L' ->
  minimiser d G_f theta_s radius theta_star ->
  let t := best_step (norm d (grad theta_s)) L' radius in
  G_f theta_star <= G_f theta_s - t * norm d (grad theta_s) + / 2 * L' * t ^ 2.
Proof.
  intros HL HG HC Hmin t.
  apply (theorem3_capability_upper d G_f grad theta_s radius L'); try assumption.
  apply best_step_optimal; [apply norm_nonneg | exact HL |].
  exact (ball_radius _ _ _ _ (proj1 Hmin)).
Qed.
