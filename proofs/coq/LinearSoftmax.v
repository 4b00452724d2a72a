(** * Certified constants of Theorem 3 for an output head over fixed features

    Token t has fixed features h_t in R^m and logits z_t = b_t + W h_t, with W in R^(V m) trained
    and b_t fixed (0, or what an untrained head W_0 h_t gives). G is the mean over n responses of
    the summed loss KL(q_t‖softmax(z_t)) of all their tokens. Then for every W,

        ‖∇G(W)‖ <= (√2/n) Σ_t ‖h_t‖,     0 <= <u, ∇²G(W) u> <= (1/2n) Σ_t ‖h_t‖² ‖u‖²,

    in the Frobenius norm, so that Theorem 3 holds with these in every ball. The idea: the logits
    see a direction u, with rows u_v, through Σ_v <u_v, h>² <= ‖h‖² ‖u‖²; the rest is [Softmax]. *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Extended Divergence Calculus Theorem3 Softmax.
Open Scope R_scope.

(** ** Facts used below *)

Lemma sum_app n k f : sum (n + k) f = sum n f + sum k (fun i => f (n + i)%nat).
Proof.
  induction k as [|k IH]; simpl; [rewrite Nat.add_0_r; ring|].
  rewrite Nat.add_succ_r. simpl. rewrite IH. ring.
Qed.

(** A sum over the entries of a matrix, by rows *)
Lemma sum_rows n m f : sum (n * m) f = sum n (fun v => sum m (fun i => f (v * m + i)%nat)).
Proof.
  induction n as [|n IH]; [reflexivity|]. simpl. rewrite Nat.add_comm, sum_app, IH. reflexivity.
Qed.

Lemma sum_single n f k :
  (k < n)%nat -> (forall i, (i < n)%nat -> i <> k -> f i = 0) -> sum n f = f k.
Proof.
  induction n as [|n IH]; intros Hk H; [lia|]. simpl. destruct (Nat.eq_dec k n) as [->|Hne].
  - replace (sum n f) with 0; [ring|]. rewrite <- (sum_0 n). symmetry.
    apply sum_ext; intros i Hi. apply H; lia.
  - rewrite (H n), IH by (try (intros; apply H); lia). ring.
Qed.

(** ** One token *)

(** Row v of W, of which entry i is W(v m + i) *)
Definition row (m : nat) (W : vec) (v : nat) : vec := fun i => W (v * m + i)%nat.

(** The vector a_v with <a_v, W> = <row v of W, h> *)
Definition head (m : nat) (h : vec) (v : nat) : vec :=
  fun k => if Nat.eqb (k / m) v then h (k mod m)%nat else 0.

Lemma head_entry m h v w i :
  (i < m)%nat -> head m h v (w * m + i)%nat = if Nat.eqb w v then h i else 0.
Proof.
  intros Hi. unfold head. rewrite Nat.div_add_l, Nat.div_small, Nat.add_0_r by lia.
  rewrite Nat.add_comm, Nat.mod_add, Nat.mod_small by lia. reflexivity.
Qed.

(** z_v = <row v of W, h>: the logits are W h. *)
Lemma head_logit V m h v W :
  (v < V)%nat -> dot (V * m) (head m h v) W = dot m (row m W v) h.
Proof.
  intros Hv. unfold dot. rewrite sum_rows, (sum_single V _ v); [| exact Hv |].
  - apply sum_ext; intros i Hi. rewrite head_entry, Nat.eqb_refl by exact Hi. apply Rmult_comm.
  - intros w Hw Hne. rewrite <- (sum_0 m). apply sum_ext; intros i Hi.
    rewrite head_entry by exact Hi. apply Nat.eqb_neq in Hne. rewrite Hne. ring.
Qed.

(** Σ_v <u_v, h>² <= ‖h‖² ‖u‖² *)
Lemma head_bounded V m h : features_bounded (V * m) V (head m h) (norm m h).
Proof.
  intros u. rewrite (norm_sqr (V * m)). unfold dot at 1. rewrite sum_rows, <- sum_scal.
  apply sum_le; intros v Hv. unfold slopes. rewrite head_logit by exact Hv.
  change (sum m (fun i => u (v * m + i)%nat * u (v * m + i)%nat))
    with (dot m (row m u v) (row m u v)).
  rewrite norm_sqr, (Rmult_comm (dot m h h)). apply dot_sqr_le.
Qed.

(** The gradient of one token's loss has rows (p_v - q_v) h. *)
Lemma head_gradient V m b h q W v i :
  (v < V)%nat -> (i < m)%nat ->
  token_grad (V * m) V b (head m h) q W (v * m + i)%nat
  = (softmax V (logits (V * m) b (head m h) W) v - q v) * h i.
Proof.
  intros Hv Hi. unfold token_grad. rewrite (sum_single V _ v); [| exact Hv |].
  - rewrite head_entry, Nat.eqb_refl by exact Hi. reflexivity.
  - intros w Hw Hne. rewrite head_entry by exact Hi.
    destruct (Nat.eqb_spec v w); [congruence | ring].
Qed.

(** Where the target is one token y, the loss is - log p_y. *)
Lemma loss_token V z y :
  (y < V)%nat -> loss V (fun v => if Nat.eqb v y then 1 else 0) z = - ln (softmax V z y).
Proof.
  intros Hy. unfold loss. rewrite (sum_single V _ y); [| exact Hy |].
  - rewrite Nat.eqb_refl, ln_div by (try apply softmax_pos; try lia; lra). rewrite ln_1. ring.
  - intros v Hv Hne. apply Nat.eqb_neq in Hne. rewrite Hne. ring.
Qed.

(** ** The gap over rows *)
Section Rows.

(** Of T response tokens in n rows: b t, h t and q t are the offsets, features and target of one. *)
Variables (V m T n : nat) (b h q : nat -> nat -> R).
Hypothesis q_dist : forall t, (t < T)%nat -> dist V (q t).
Hypothesis n_pos : (0 < n)%nat.

Definition token_logits (t : nat) (W : vec) : nat -> R := logits (V * m) (b t) (head m (h t)) W.

(** G(W) = (1/n) Σ_t KL(q_t‖softmax(b_t + W h_t)) *)
Definition linear_gap (W : vec) : R := / INR n * sum T (fun t => loss V (q t) (token_logits t W)).

Definition linear_gap_grad (W : vec) : vec :=
  fun k => / INR n * sum T (fun t => token_grad (V * m) V (b t) (head m (h t)) (q t) W k).

(** L = (√2/n) Σ_t ‖h_t‖ *)
Definition linear_lipschitz : R := sqrt 2 / INR n * sum T (fun t => norm m (h t)).

(** S = (1/2n) Σ_t ‖h_t‖² *)
Definition linear_smoothness : R := / (2 * INR n) * sum T (fun t => norm m (h t) ^ 2).

Lemma inverse_rows_pos : 0 < / INR n.
Proof using n_pos. apply Rinv_0_lt_compat, lt_0_INR, n_pos. Qed.

Lemma token_logits_row t W v :
  (v < V)%nat -> token_logits t W v = b t v + dot m (row m W v) (h t).
Proof. intros Hv. unfold token_logits, logits. rewrite head_logit by exact Hv. reflexivity. Qed.

(** n G(W) is the sum of the divergences of the extended reals. *)
Lemma linear_gap_KL W :
  esum T (fun t => KL V (q t) (softmax V (token_logits t W))) = Fin (INR n * linear_gap W).
Proof using q_dist n_pos.
  unfold linear_gap. rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by (apply not_0_INR; lia).
  rewrite <- esum_Fin. apply esum_ext; intros t Ht. apply loss_KL, q_dist, Ht.
Qed.

Lemma linear_gap_grad_dot W u :
  dot (V * m) (linear_gap_grad W) u
  = / INR n * sum T (fun t => dot (V * m) (token_grad (V * m) V (b t) (head m (h t)) (q t) W) u).
Proof.
  unfold linear_gap_grad. rewrite dot_scal_l. f_equal.
  pose proof (dot_sum_l (V * m) T (fun _ => 1)
    (fun t => token_grad (V * m) V (b t) (head m (h t)) (q t) W) u) as E.
  rewrite (sum_ext T _ (fun t => dot (V * m)
    (token_grad (V * m) V (b t) (head m (h t)) (q t) W) u)) in E by (intros; ring).
  rewrite <- E. apply sum_ext; intros k _. f_equal. apply sum_ext; intros; ring.
Qed.

Lemma linear_gap_gradient W : has_gradient (V * m) linear_gap W (linear_gap_grad W).
Proof using q_dist.
  apply gradient_scal, (gradient_sum (V * m) T (fun t W => loss V (q t) (token_logits t W))).
  intros t Ht. apply softmax_gradient, q_dist, Ht.
Qed.

(** ‖∇G(W)‖ <= (√2/n) Σ_t ‖h_t‖ for every W *)
Theorem linear_softmax_lipschitz W : norm (V * m) (linear_gap_grad W) <= linear_lipschitz.
Proof using q_dist n_pos.
  pose proof inverse_rows_pos as Pn. pose proof (sqrt_pos 2) as P2.
  assert (E : linear_lipschitz = / INR n * sum T (fun t => sqrt 2 * norm m (h t))).
  { unfold linear_lipschitz, Rdiv. rewrite sum_scal. ring. }
  rewrite E. apply norm_dual.
  - apply Rmult_le_pos; [lra|]. apply sum_nonneg; intros t _.
    apply Rmult_le_pos; [exact P2 | apply norm_nonneg].
  - intros u. rewrite linear_gap_grad_dot, Rmult_assoc. apply Rmult_le_compat_l; [lra|].
    rewrite (Rmult_comm _ (norm (V * m) u)), <- sum_scal. apply sum_le; intros t Ht.
    apply Rle_trans with (1 := dot_le _ _ _). rewrite Rmult_comm.
    apply Rmult_le_compat_l; [apply norm_nonneg|].
    apply softmax_gradient_norm; [apply q_dist, Ht | apply norm_nonneg | apply head_bounded].
Qed.

(** 0 <= <u, ∇²G(W) u> <= (1/2n) Σ_t ‖h_t‖² ‖u‖² for every W and every direction u *)
Theorem linear_softmax_smoothness W u :
  exists c, has_curvature (V * m) linear_gap_grad W u c /\
    0 <= c <= linear_smoothness * (norm (V * m) u * norm (V * m) u).
Proof using q_dist n_pos.
  pose proof inverse_rows_pos as Pn.
  set (var := fun t => Var V (softmax V (token_logits t W)) (slopes (V * m) (head m (h t)) u)).
  assert (B : forall t, (t < T)%nat -> 0 <= var t
            <= / 2 * (norm m (h t) * norm m (h t) * (norm (V * m) u * norm (V * m) u))).
  { intros t Ht. apply (softmax_curvature_bound (V * m) V (b t) (head m (h t)) (q t));
      [apply q_dist, Ht | apply head_bounded]. }
  exists (/ INR n * sum T var). split; [|split].
  - unfold has_curvature.
    replace (fun t => dot (V * m) (linear_gap_grad (line W u t)) u)
      with (mult_real_fct (/ INR n) (fun s => sum T (fun t => dot (V * m)
        (token_grad (V * m) V (b t) (head m (h t)) (q t) (line W u s)) u)))
      by (apply functional_extensionality; intros s; symmetry; apply linear_gap_grad_dot).
    apply derivable_pt_lim_scal, (derivable_pt_lim_sum T (fun t s => dot (V * m)
        (token_grad (V * m) V (b t) (head m (h t)) (q t) (line W u s)) u)).
    intros t Ht. apply softmax_curvature, q_dist, Ht.
  - apply Rmult_le_pos; [lra|]. apply sum_nonneg; intros t Ht. apply B, Ht.
  - replace (linear_smoothness * (norm (V * m) u * norm (V * m) u))
      with (/ INR n * sum T (fun t => / 2 * (norm (V * m) u * norm (V * m) u) * norm m (h t) ^ 2)).
    + apply Rmult_le_compat_l; [lra|]. apply sum_le; intros t Ht. specialize (B t Ht). lra.
    + rewrite sum_scal. unfold linear_smoothness. field. apply not_0_INR. lia.
Qed.

Lemma linear_smoothness_nonneg : 0 <= linear_smoothness.
Proof using n_pos.
  apply Rmult_le_pos.
  - left. apply Rinv_0_lt_compat. pose proof (lt_0_INR n n_pos). lra.
  - apply sum_nonneg; intros. apply pow2_ge_0.
Qed.

(** What Theorem 3 assumes holds, in every ball. *)
Lemma linear_gap_assumptions W_s eps :
  gradient_on_ball (V * m) linear_gap linear_gap_grad W_s eps /\
  gradient_bounded (V * m) linear_gap_grad W_s eps linear_lipschitz /\
  curvature_bounded (V * m) linear_gap_grad W_s eps linear_smoothness.
Proof using q_dist n_pos.
  split; [|split].
  - intros W _. apply linear_gap_gradient.
  - intros W _. apply linear_softmax_lipschitz.
  - intros W u _. destruct (linear_softmax_smoothness W u) as [c [Dc Hc]].
    exists c. split; [exact Dc|]. rewrite Rabs_pos_eq; apply Hc.
Qed.

(** G(W) <= G(W_s) + L ε and G(W) <= G(W_s) + ‖∇G(W_s)‖ ε + ½ S ε² where ‖W - W_s‖ <= ε, for every
    W_s and every ε *)
Theorem linear_softmax_theorem3 W_s eps W :
  ball (V * m) W_s eps W ->
  linear_gap W <= linear_gap W_s + linear_lipschitz * eps /\
  linear_gap W <= linear_gap W_s + norm (V * m) (linear_gap_grad W_s) * eps
                  + / 2 * linear_smoothness * eps ^ 2.
Proof using q_dist n_pos.
  intros B. destruct (linear_gap_assumptions W_s eps) as [HG [HL HS]]. split.
  - apply (theorem3_paper (V * m) linear_gap linear_gap_grad); assumption.
  - apply (theorem3_refined (V * m) linear_gap linear_gap_grad); try assumption.
    apply linear_smoothness_nonneg.
Qed.

(** The capability side, with the same constants *)
Corollary linear_softmax_capability W_s eps W_star :
  minimiser (V * m) linear_gap W_s eps W_star ->
  let g := norm (V * m) (linear_gap_grad W_s) in
  let t := best_step g linear_smoothness eps in
  linear_gap W_s - g * eps - / 2 * linear_smoothness * eps ^ 2 <= linear_gap W_star
  <= linear_gap W_s - t * g + / 2 * linear_smoothness * t ^ 2.
Proof using q_dist n_pos.
  intros Hmin g t. destruct (linear_gap_assumptions W_s eps) as [HG [_ HS]].
  pose proof linear_smoothness_nonneg as P. split.
  - apply (theorem3_capability_lower (V * m) linear_gap linear_gap_grad); try assumption.
    apply Hmin.
  - apply (theorem3_capability_best (V * m) linear_gap linear_gap_grad); assumption.
Qed.

End Rows.
