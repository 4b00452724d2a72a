(** * The predicted drift

    G(θ_s + t v) = G(θ_s) + t ⟨∇G, v⟩ + ½ t² ⟨v, ∇²G v⟩ + o(t²): one gradient and one Hessian-vector product,
    a prediction and no bound. *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Calculus Theorem3.
Open Scope R_scope.

(** G(θ_s + t v) = G(θ_s) + t <∇G(θ_s), v> + ½ t² <v, ∇²G(θ_s) v> + o(t²): the remainder over t²
    goes to 0 as t goes to 0. A prediction and no bound, as nothing is said about one given t. *)
Theorem theorem3_drift d G grad theta_s rho v c :
  0 < rho ->
  gradient_on_ball d G grad theta_s rho ->
  has_curvature d grad theta_s v c ->
  forall eps, 0 < eps -> exists delta, 0 < delta /\ forall t, t <> 0 -> Rabs t < delta ->
  Rabs ((G (line theta_s v t) - G theta_s - t * dot d (grad theta_s) v) / t ^ 2 - c / 2) < eps.
Proof.
  intros Hrho HG HC eps Heps. pose proof (norm_nonneg d v) as Nv.
  set (f' := fun s => dot d (grad (line theta_s v s)) v).
  destruct (HC (eps / 2)) as [[d1 Hd1] K]; [lra|]. simpl in K.
  assert (Hd2 : 0 < rho / (norm d v + 1)) by (apply Rdiv_lt_0_compat; lra).
  exists (Rmin d1 (rho / (norm d v + 1))). split; [apply Rmin_glb_lt; assumption|].
  intros t Ht0 Ht. assert (Ha : 0 < Rabs t) by (apply Rabs_pos_lt; exact Ht0).
  set (h := fun s => G (line theta_s v s) - (f' 0 * s + c / 2 * (s * s))).
  assert (Dh : forall s, Rabs s <= Rabs t ->
                 exists l, derivable_pt_lim h s l /\ Rabs l <= eps / 2 * Rabs t).
  { intros s Hs. exists (f' s - (f' 0 + 2 * (c / 2) * s)). split.
    - apply derivable_pt_lim_minus; [|apply derivable_pt_lim_quadratic].
      apply gradient_line, HG, ball_line.
      assert (Hs2 : Rabs s <= rho / (norm d v + 1)).
      { apply Rle_trans with (1 := Hs). left. apply Rlt_le_trans with (1 := Ht), Rmin_r. }
      apply (Rmult_le_compat_r (norm d v + 1)) in Hs2; [|lra].
      replace (rho / (norm d v + 1) * (norm d v + 1)) with rho in Hs2 by (field; lra).
      pose proof (Rabs_pos s). lra.
    - replace (f' s - (f' 0 + 2 * (c / 2) * s)) with (f' s - f' 0 - c * s) by field.
      destruct (Req_dec s 0) as [->|Hs0].
      + replace (f' 0 - f' 0 - c * 0) with 0 by ring. rewrite Rabs_R0.
        apply Rmult_le_pos; lra.
      + assert (Ks : Rabs ((f' s - f' 0) / s - c) < eps / 2).
        { specialize (K s Hs0). rewrite Rplus_0_l in K. apply K.
          apply Rle_lt_trans with (1 := Hs), Rlt_le_trans with (1 := Ht), Rmin_l. }
        replace (f' s - f' 0 - c * s) with (((f' s - f' 0) / s - c) * s) by (field; exact Hs0).
        rewrite Rabs_mult. apply Rmult_le_compat; [apply Rabs_pos | apply Rabs_pos | | exact Hs].
        left. exact Ks. }
  assert (M : Rabs (h t - h 0) <= eps / 2 * Rabs t * Rabs t).
  { destruct (Rle_or_lt 0 t) as [P|P].
    - rewrite (Rabs_pos_eq t) in * by exact P. replace t with (t - 0) at 3 by ring.
      apply (mvt_abs h 0 t); [exact P|]. intros s Hs. apply Dh. rewrite Rabs_pos_eq; lra.
    - rewrite (Rabs_left t) in * by exact P. rewrite Rabs_minus_sym.
      replace (eps / 2 * - t * - t) with (eps / 2 * - t * (0 - t)) by ring.
      apply (mvt_abs h t 0); [lra|]. intros s Hs. apply Dh. rewrite Rabs_left1; lra. }
  replace (_ / t ^ 2 - c / 2) with ((h t - h 0) / t ^ 2)
    by (unfold h, f'; rewrite line_0; field; exact Ht0).
  unfold Rdiv. rewrite Rabs_mult, Rabs_inv, <- RPow_abs.
  apply Rle_lt_trans with (eps / 2 * Rabs t * Rabs t * / Rabs t ^ 2).
  - apply Rmult_le_compat_r; [|exact M]. left. apply Rinv_0_lt_compat, pow_lt, Ha.
  - replace (eps / 2 * Rabs t * Rabs t * / Rabs t ^ 2) with (eps / 2) by (field; lra). lra.
Qed.
