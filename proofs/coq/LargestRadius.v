(** * The largest radius that keeps Theorem 3 below a limit

    ε = 2 r / (a + √(a² + 2 S r)) with r = limit - G(θ_s), a = ‖∇G(θ_s)‖: there the bound equals the limit,
    a smaller radius keeps it, a larger one does not. *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Calculus Theorem3.
Open Scope R_scope.

(** G(θ_s) + a ε + ½ S ε², with a = ‖∇G(θ_s)‖ *)
Definition refined_bound (start a S eps : R) : R := start + a * eps + / 2 * S * eps ^ 2.

(** ε = 2 r / (a + √(a² + 2 S r)) with r the room between the start and the limit *)
Definition largest_radius (room a S : R) : R := 2 * room / (a + sqrt (a ^ 2 + 2 * S * room)).

Lemma largest_radius_divisor room a S :
  0 <= a -> 0 <= S -> 0 <= room -> 0 < a \/ (0 < S /\ 0 < room) ->
  0 < a + sqrt (a ^ 2 + 2 * S * room).
Proof.
  intros Ha HS Hr [Pa|[PS Pr]]; pose proof (sqrt_pos (a ^ 2 + 2 * S * room)); [lra|].
  apply Rplus_le_lt_0_compat; [exact Ha|]. apply sqrt_lt_R0.
  pose proof (pow2_ge_0 a). pose proof (Rmult_lt_0_compat _ _ PS Pr). lra.
Qed.

(** The bound at this ε is the limit exactly, and the radii that keep the limit are those up to it.
    The last hypothesis makes the divisor positive: what it leaves out are a = S = 0, where the
    bound does not grow, and a = 0 without room, where ε = 0. *)
Theorem theorem3_largest_radius limit start a S :
  0 <= a -> 0 <= S -> start <= limit -> 0 < a \/ (0 < S /\ start < limit) ->
  let largest := largest_radius (limit - start) a S in
  0 <= largest /\
  refined_bound start a S largest = limit /\
  forall eps, 0 <= eps -> (refined_bound start a S eps <= limit <-> eps <= largest).
Proof.
  intros Ha HS Hr Hpos largest. set (r := limit - start) in *.
  assert (Pd : 0 < a + sqrt (a ^ 2 + 2 * S * r)).
  { apply largest_radius_divisor; unfold r; lra. }
  assert (Sq : sqrt (a ^ 2 + 2 * S * r) * sqrt (a ^ 2 + 2 * S * r) = a ^ 2 + 2 * S * r).
  { apply sqrt_sqrt. pose proof (pow2_ge_0 a).
    assert (0 <= S * r) by (apply Rmult_le_pos; unfold r; lra). lra. }
  assert (P : 0 <= largest).
  { apply Rmult_le_pos; [unfold r; lra|]. left. apply Rinv_0_lt_compat, Pd. }
  unfold largest, largest_radius in *. set (q := sqrt (a ^ 2 + 2 * S * r)) in *.
  set (e := 2 * r / (a + q)) in *.
  assert (E : a * e + / 2 * S * e ^ 2 = r).
  { replace (a * e + / 2 * S * e ^ 2) with (r * (2 * a * (a + q) + 2 * S * r) / (a + q) ^ 2)
      by (unfold e; field; lra).
    replace (2 * a * (a + q) + 2 * S * r) with ((a + q) ^ 2) by lra. field. lra. }
  assert (Eb : refined_bound start a S e = limit) by (unfold refined_bound, r in *; lra).
  split; [exact P|]. split; [exact Eb|]. intros eps Heps.
  assert (D : refined_bound start a S eps - limit = (eps - e) * (a + / 2 * S * (eps + e))).
  { rewrite <- Eb. unfold refined_bound. ring. }
  assert (HSe : 0 <= S * (eps + e)) by (apply Rmult_le_pos; lra).
  split; intros H.
  - apply Rnot_lt_le. intros Hlt.
    assert (K : 0 < a + / 2 * S * (eps + e)).
    { destruct Hpos as [Pa|[PS _]]; [lra|].
      assert (0 < S * (eps + e)) by (apply Rmult_lt_0_compat; lra). lra. }
    assert (0 < (eps - e) * (a + / 2 * S * (eps + e))) by (apply Rmult_lt_0_compat; lra). lra.
  - assert (0 <= (e - eps) * (a + / 2 * S * (eps + e))) by (apply Rmult_le_pos; lra). lra.
Qed.

(** The same for G(θ_s) + L ε, where ε = r / L *)
Theorem theorem3_largest_radius_paper limit start L :
  0 < L -> start <= limit ->
  let largest := (limit - start) / L in
  0 <= largest /\
  largest = largest_radius (limit - start) L 0 /\
  start + L * largest = limit /\
  forall eps, start + L * eps <= limit <-> eps <= largest.
Proof.
  intros HL Hr largest. assert (E : L * largest = limit - start) by (unfold largest; field; lra).
  split; [|split; [|split]].
  - apply Rmult_le_pos; [lra|]. left. apply Rinv_0_lt_compat, HL.
  - unfold largest, largest_radius. rewrite Rmult_0_r, Rmult_0_l, Rplus_0_r.
    rewrite sqrt_pow2 by lra. field. lra.
  - lra.
  - intros eps. split; intros H.
    + apply (Rmult_le_reg_l L); lra.
    + apply (Rmult_le_compat_l L) in H; lra.
Qed.

(** Training inside of that radius, S holding there, keeps the gap below the limit. *)
Corollary theorem3_largest_radius_keeps d G grad theta_s radius S limit :
  0 <= S -> G theta_s <= limit -> 0 < norm d (grad theta_s) \/ (0 < S /\ G theta_s < limit) ->
  radius <= largest_radius (limit - G theta_s) (norm d (grad theta_s)) S ->
  gradient_on_ball d G grad theta_s radius ->
  curvature_bounded d grad theta_s radius S ->
  forall theta, ball d theta_s radius theta -> G theta <= limit.
Proof.
  intros HS Hl Hpos Hr HG HC theta B.
  apply Rle_trans with (1 := theorem3_refined d G grad theta_s radius S HS HG HC theta B).
  destruct (theorem3_largest_radius limit (G theta_s) (norm d (grad theta_s)) S)
    as [_ [_ K]]; try assumption; [apply norm_nonneg|].
  apply K; [exact (ball_radius _ _ _ _ B) | exact Hr].
Qed.
