(** * The loss of a softmax whose logits are linear in the parameters

    Logits z_v(θ) = b_v + <a_v, θ> for v < V with b and a fixed, p = softmax(z), and for a target
    distribution q the loss of one token, KL(q‖p(θ)). For every θ, and along every direction u,

        ∇loss(θ) = Σ_v (p_v - q_v) a_v,     <u, ∇²loss(θ) u> = Var_p(s)  with  s_v = <a_v, u>,

    and 0 <= Var_p(s) <= ½ Σ_v s_v². The idea: along a line the loss is log Σ_v exp(z_v) less a
    linear function, its second derivative is the variance, so that what the gradient leaves over
    is at most quadratic. Where Σ_v <a_v, u>² <= A² ‖u‖² for every u, this gives

        ‖∇loss‖ <= √2 A,     0 <= <u, ∇²loss u> <= ½ A² ‖u‖². *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Extended Divergence Calculus Theorem3.
Open Scope R_scope.

(** ** Facts used below *)

Lemma sum_pos n f : (0 < n)%nat -> (forall i, (i < n)%nat -> 0 < f i) -> 0 < sum n f.
Proof.
  intros Hn H. apply Rlt_le_trans with (f 0%nat); [apply H, Hn|].
  apply sum_term_le; [|exact Hn]. intros j Hj. left. apply H, Hj.
Qed.

Lemma dist_size V q : dist V q -> (0 < V)%nat.
Proof. intros [_ Sq]. destruct V; [simpl in Sq; lra | lia]. Qed.

Lemma derivable_pt_lim_sum n (f : nat -> R -> R) t (l : nat -> R) :
  (forall k, (k < n)%nat -> derivable_pt_lim (f k) t (l k)) ->
  derivable_pt_lim (fun s => sum n (fun k => f k s)) t (sum n l).
Proof.
  induction n as [|n IH]; intros H; [apply (derivable_pt_lim_const 0)|].
  apply (derivable_pt_lim_plus (fun s => sum n (fun k => f k s)) (f n));
    [apply IH; intros k Hk|]; apply H; lia.
Qed.

Lemma derivable_pt_lim_exp_line (z s : nat -> R) v t :
  derivable_pt_lim (fun t => exp (line z s t v)) t (exp (line z s t v) * s v).
Proof.
  apply (derivable_pt_lim_comp (fun t => line z s t v) exp); [|apply derivable_pt_lim_exp].
  replace (s v) with (0 + s v * 1) by ring. unfold line.
  replace (fun t => z v + t * s v) with (fun t => z v + s v * t)
    by (apply functional_extensionality; intros; ring).
  apply (derivable_pt_lim_plus (fun _ => z v) (fun t => s v * t));
    [apply derivable_pt_lim_const|].
  apply (derivable_pt_lim_scal id), derivable_pt_lim_id.
Qed.

(** Two distributions are at most √2 apart. *)
Lemma simplex_distance V p q : dist V p -> dist V q -> norm V (fun v => p v - q v) <= sqrt 2.
Proof.
  intros Hp Hq. apply sqrt_le_1_alt. replace 2 with (sum V p + sum V q)
    by (rewrite (proj2 Hp), (proj2 Hq); ring).
  rewrite <- sum_plus. apply sum_le; intros v Hv.
  pose proof (dist_le_1 V p v Hp Hv) as P1. pose proof (dist_le_1 V q v Hq Hv) as Q1.
  pose proof (proj1 Hp v Hv) as P0. pose proof (proj1 Hq v Hv) as Q0.
  pose proof (Rmult_le_pos _ _ P0 Q0).
  assert (0 <= p v * (1 - p v)) by (apply Rmult_le_pos; lra).
  assert (0 <= q v * (1 - q v)) by (apply Rmult_le_pos; lra). lra.
Qed.

(** ** The variance of a function under a distribution *)
Definition mean (V : nat) (p s : nat -> R) : R := sum V (fun v => p v * s v).
Definition Var (V : nat) (p s : nat -> R) : R :=
  sum V (fun v => p v * (s v * s v)) - mean V p s * mean V p s.

Lemma Var_centred V p s :
  dist V p -> Var V p s = sum V (fun v => p v * ((s v - mean V p s) * (s v - mean V p s))).
Proof.
  intros [_ Sp]. set (m := mean V p s).
  transitivity (sum V (fun v => p v * (s v * s v)) - 2 * m * mean V p s + m * m * sum V p).
  - rewrite Sp. unfold Var, m. ring.
  - unfold mean at 1. rewrite <- !sum_scal, <- sum_minus, <- sum_plus.
    apply sum_ext; intros; ring.
Qed.

(** 0 <= Var_p(s) <= ½ Σ_v s_v². In the sum over pairs Σ_v Σ_w p_v p_w (s_v + s_w)², the terms with
    v = w alone give Var_p(s) <= Σ_v 2 p_v (1 - p_v) s_v², and p (1 - p) <= ¼. *)
Theorem variance_half V p s :
  dist V p -> 0 <= Var V p s <= / 2 * sum V (fun v => s v * s v).
Proof.
  intros Hp. split.
  - rewrite Var_centred by exact Hp. apply sum_nonneg; intros v Hv.
    apply Rmult_le_pos; [apply Hp, Hv | apply Rle_0_sqr].
  - destruct Hp as [Np Sp]. set (m := mean V p s). set (M := sum V (fun v => p v * (s v * s v))).
    assert (H : sum V (fun v => p v * (p v * ((s v + s v) * (s v + s v))))
                <= sum V (fun v => p v * (M + 2 * m * s v + s v * s v))).
    { apply sum_le; intros v Hv. apply Rmult_le_compat_l; [apply Np, Hv|].
      replace (M + 2 * m * s v + s v * s v)
        with (sum V (fun w => p w * ((s v + s w) * (s v + s w)))).
      - apply (sum_term_le V (fun w => p w * ((s v + s w) * (s v + s w)))); [|exact Hv].
        intros w Hw. apply Rmult_le_pos; [apply Np, Hw | apply Rle_0_sqr].
      - transitivity (M + 2 * s v * m + s v * s v * sum V p); [|rewrite Sp; ring].
        unfold M, m, mean. rewrite <- !sum_scal, <- !sum_plus. apply sum_ext; intros; ring. }
    assert (E : sum V (fun v => p v * (M + 2 * m * s v + s v * s v)) = 2 * M + 2 * m * m).
    { transitivity (M * sum V p + 2 * m * m + M); [|rewrite Sp; ring].
      unfold M at 3. unfold m at 3. unfold mean. rewrite <- !sum_scal, <- !sum_plus.
      apply sum_ext; intros; ring. }
    assert (H2 : M <= sum V (fun v => / 4 * (s v * s v)
                                      + / 4 * (p v * (p v * ((s v + s v) * (s v + s v)))))).
    { apply sum_le; intros v Hv. pose proof (Rle_0_sqr ((p v - / 2) * s v)) as Q.
      unfold Rsqr in Q. lra. }
    rewrite sum_plus, !sum_scal in H2. unfold Var. fold M m. lra.
Qed.

(** The ½ cannot be smaller: p = (½, ½) and s = (1, -1) attain it. *)
Lemma variance_half_attained :
  let s := fun v => if Nat.eqb v 0 then 1 else -1 in
  Var 2 (fun _ => / 2) s = / 2 * sum 2 (fun v => s v * s v).
Proof. unfold Var, mean. simpl. field. Qed.

(** ** Softmax and the loss of a token *)
Definition partition (V : nat) (z : nat -> R) : R := sum V (fun v => exp (z v)).
Definition softmax (V : nat) (z : nat -> R) (v : nat) : R := exp (z v) / partition V z.

(** KL(q‖softmax(z)), which is - log p_y for q = e_y *)
Definition loss (V : nat) (q z : nat -> R) : R := sum V (fun v => q v * ln (q v / softmax V z v)).

Lemma partition_pos V z : (0 < V)%nat -> 0 < partition V z.
Proof. intros HV. apply sum_pos; [exact HV|]. intros; apply exp_pos. Qed.

Lemma softmax_pos V z v : (0 < V)%nat -> 0 < softmax V z v.
Proof. intros HV. apply Rdiv_lt_0_compat; [apply exp_pos | apply partition_pos, HV]. Qed.

Lemma softmax_dist V z : (0 < V)%nat -> dist V (softmax V z).
Proof.
  intros HV. split; [intros v _; left; apply softmax_pos, HV|].
  pose proof (partition_pos V z HV) as P.
  transitivity (/ partition V z * partition V z); [|field; lra].
  unfold partition at 2. rewrite <- sum_scal. apply sum_ext; intros v _.
  unfold softmax. field. lra.
Qed.

(** The loss is the divergence of the extended reals, finite as p_v > 0 for every v. *)
Lemma loss_KL V q z : dist V q -> KL V q (softmax V z) = Fin (loss V q z).
Proof.
  intros Hq. apply KL_finite; [apply Hq|]. intros v _ _. apply softmax_pos, (dist_size V q Hq).
Qed.

(** loss = Σ_v q_v log q_v - Σ_v q_v z_v + log Σ_v exp(z_v) *)
Lemma loss_split V q z :
  dist V q ->
  loss V q z = sum V (fun v => q v * ln (q v)) - mean V q z + ln (partition V z).
Proof.
  intros Hq. pose proof (partition_pos V z (dist_size V q Hq)) as P. destruct Hq as [Nq Sq].
  transitivity (sum V (fun v => q v * ln (q v)) - mean V q z + ln (partition V z) * sum V q);
    [|rewrite Sq; ring].
  unfold loss, mean. rewrite <- sum_scal, <- sum_minus, <- sum_plus.
  apply sum_ext; intros v Hv. destruct (Nq v Hv) as [Hp| <-]; [|ring].
  unfold softmax. rewrite !ln_div by (try apply Rdiv_lt_0_compat; try apply exp_pos; assumption).
  rewrite ln_exp. ring.
Qed.

(** Along a line z + t s, log Σ exp has derivative mean_p(s) *)
Lemma log_partition_derivative V z s t :
  (0 < V)%nat ->
  derivable_pt_lim (fun t => ln (partition V (line z s t))) t
    (mean V (softmax V (line z s t)) s).
Proof.
  intros HV. pose proof (partition_pos V (line z s t) HV) as P.
  replace (mean V (softmax V (line z s t)) s)
    with (/ partition V (line z s t) * sum V (fun v => exp (line z s t v) * s v)).
  - apply (derivable_pt_lim_comp (fun t => partition V (line z s t)) ln);
      [|apply derivable_pt_lim_ln, P].
    apply (derivable_pt_lim_sum V (fun v t => exp (line z s t v))). intros v _.
    apply derivable_pt_lim_exp_line.
  - unfold mean. rewrite <- sum_scal. apply sum_ext; intros v _. unfold softmax. field. lra.
Qed.

(** and second derivative Var_p(s). *)
Lemma mean_derivative V z s t :
  (0 < V)%nat ->
  derivable_pt_lim (fun t => mean V (softmax V (line z s t)) s) t
    (Var V (softmax V (line z s t)) s).
Proof.
  intros HV. pose proof (partition_pos V (line z s t) HV) as P.
  set (N1 := fun t => sum V (fun v => exp (line z s t v) * s v)).
  assert (E : (fun t => mean V (softmax V (line z s t)) s)
              = (N1 / (fun t => partition V (line z s t)))%F).
  { apply functional_extensionality; intros r. unfold N1, div_fct, Rdiv.
    rewrite Rmult_comm, <- sum_scal. apply sum_ext; intros v _. unfold softmax, Rdiv. ring. }
  rewrite E. set (N2 := sum V (fun v => exp (line z s t v) * s v * s v)).
  replace (Var V (softmax V (line z s t)) s)
    with ((N2 * partition V (line z s t) - N1 t * N1 t) / Rsqr (partition V (line z s t))).
  - apply (derivable_pt_lim_div N1 (fun t => partition V (line z s t))); [| |lra].
    + apply (derivable_pt_lim_sum V (fun v t => exp (line z s t v) * s v)). intros v _.
      replace (exp (line z s t v) * s v * s v)
        with (exp (line z s t v) * s v * s v + exp (line z s t v) * 0) by ring.
      apply (derivable_pt_lim_mult (fun t => exp (line z s t v)) (fun _ => s v));
        [apply derivable_pt_lim_exp_line | apply derivable_pt_lim_const].
    + apply (derivable_pt_lim_sum V (fun v t => exp (line z s t v))). intros v _.
      apply derivable_pt_lim_exp_line.
  - assert (E1 : mean V (softmax V (line z s t)) s = N1 t / partition V (line z s t)).
    { exact (f_equal (fun f => f t) E). }
    assert (E2 : sum V (fun v => softmax V (line z s t) v * (s v * s v))
                 = N2 / partition V (line z s t)).
    { unfold N2, Rdiv. rewrite Rmult_comm, <- sum_scal. apply sum_ext; intros v _.
      unfold softmax, Rdiv. ring. }
    unfold Var. rewrite E1, E2. unfold Rsqr. field. lra.
Qed.

(** What the first order leaves over is at most quadratic. *)
Lemma log_partition_taylor V z s :
  (0 < V)%nat ->
  Rabs (ln (partition V (line z s 1)) - ln (partition V z) - mean V (softmax V z) s)
  <= / 4 * sum V (fun v => s v * s v).
Proof.
  intros HV. set (f := fun t => ln (partition V (line z s t))).
  set (f' := fun t => mean V (softmax V (line z s t)) s).
  assert (Df : forall t, 0 <= t <= 1 -> derivable_pt_lim f t (f' t)).
  { intros t _. apply log_partition_derivative, HV. }
  assert (Df' : forall t, derivable_pt_lim f' t (Var V (softmax V (line z s t)) s)).
  { intros t. apply mean_derivative, HV. }
  assert (B : forall t, 0 <= Var V (softmax V (line z s t)) s <= / 2 * sum V (fun v => s v * s v)).
  { intros t. apply variance_half, softmax_dist, HV. }
  assert (Up : f 1 <= f 0 + f' 0 + / 2 * sum V (fun v => s v * s v) / 2).
  { apply second_order_upper; [exact Df|]. intros t _. eexists. split; [apply Df' | apply B]. }
  assert (Lo : f 0 + f' 0 + 0 / 2 <= f 1).
  { apply second_order_lower; [exact Df|]. intros t _. eexists. split; [apply Df' | apply B]. }
  unfold f, f' in Up, Lo. rewrite !line_0 in Up, Lo. apply Rabs_le. lra.
Qed.

(** ** Logits linear in the parameters *)
Section Linear.
Variables (d V : nat) (b : nat -> R) (a : nat -> vec) (q : nat -> R).
Hypothesis Hq : dist V q.

(** z_v(θ) = b_v + <a_v, θ> *)
Definition logits (theta : vec) : nat -> R := fun v => b v + dot d (a v) theta.

Definition token_loss (theta : vec) : R := loss V q (logits theta).

(** Σ_v (p_v - q_v) a_v *)
Definition token_grad (theta : vec) : vec :=
  fun i => sum V (fun v => (softmax V (logits theta) v - q v) * a v i).

(** s_v = <a_v, u> *)
Definition slopes (u : vec) : nat -> R := fun v => dot d (a v) u.

Lemma logits_line theta u t : logits (line theta u t) = line (logits theta) (slopes u) t.
Proof.
  apply functional_extensionality; intros v. unfold logits, slopes, line.
  rewrite dot_plus_r, dot_scal_r. ring.
Qed.

Lemma token_grad_dot theta u :
  dot d (token_grad theta) u = mean V (softmax V (logits theta)) (slopes u) - mean V q (slopes u).
Proof.
  unfold token_grad. rewrite dot_sum_l. unfold mean. rewrite <- sum_minus.
  apply sum_ext; intros v _. unfold slopes. ring.
Qed.

(** ∇loss(θ) = Σ_v (p_v(θ) - q_v) a_v *)
Theorem softmax_gradient theta : has_gradient d token_loss theta (token_grad theta).
Proof using Hq.
  apply (gradient_quadratic d _ _ _ (/ 4 * sum V (fun v => dot d (a v) (a v)))).
  { apply Rmult_le_pos; [lra|]. apply sum_nonneg; intros. apply dot_self_nonneg. }
  intros y. set (w := fun i => y i - theta i). set (s := slopes w).
  assert (Ey : logits y = line (logits theta) s 1).
  { rewrite <- (line_to theta y). apply logits_line. }
  assert (Eq : mean V q (logits y) = mean V q (logits theta) + mean V q s).
  { rewrite Ey. unfold mean. rewrite <- sum_plus. apply sum_ext; intros v _. unfold line. ring. }
  assert (Es : sum V (fun v => s v * s v)
               <= sum V (fun v => dot d (a v) (a v)) * (norm d w * norm d w)).
  { rewrite Rmult_comm, <- sum_scal. apply sum_le; intros v _.
    rewrite norm_sqr, (Rmult_comm (dot d w w)). apply dot_sqr_le. }
  unfold token_loss. rewrite !loss_split, token_grad_dot by exact Hq. fold s. rewrite Eq, Ey.
  pose proof (log_partition_taylor V (logits theta) s (dist_size V q Hq)) as T.
  replace (_ - _ - _) with (ln (partition V (line (logits theta) s 1))
    - ln (partition V (logits theta)) - mean V (softmax V (logits theta)) s) by ring.
  lra.
Qed.

(** <u, ∇²loss(θ) u> = Var_p(s) with s_v = <a_v, u> *)
Theorem softmax_curvature theta u :
  has_curvature d token_grad theta u (Var V (softmax V (logits theta)) (slopes u)).
Proof using Hq.
  pose proof (dist_size V q Hq) as HV. unfold has_curvature.
  replace (fun t => dot d (token_grad (line theta u t)) u)
    with (fun t => mean V (softmax V (line (logits theta) (slopes u) t)) (slopes u)
                   - mean V q (slopes u)).
  - rewrite <- (Rminus_0_r (Var V (softmax V (logits theta)) (slopes u))).
    apply (derivable_pt_lim_minus
             (fun t => mean V (softmax V (line (logits theta) (slopes u) t)) (slopes u))
             (fun _ => mean V q (slopes u))); [|apply derivable_pt_lim_const].
    pose proof (mean_derivative V (logits theta) (slopes u) 0 HV) as D.
    rewrite line_0 in D. exact D.
  - apply functional_extensionality; intros t. rewrite token_grad_dot, logits_line. reflexivity.
Qed.

(** ** Bounds from the size of the features *)

(** Σ_v <a_v, u>² <= A² ‖u‖² for every direction u: A bounds the operator θ ↦ (<a_v, θ>)_v. *)
Definition features_bounded (A : R) : Prop :=
  forall u, sum V (fun v => slopes u v * slopes u v) <= A * A * (norm d u * norm d u).

Lemma features_norm A u : 0 <= A -> features_bounded A -> norm V (slopes u) <= A * norm d u.
Proof.
  intros HA H. pose proof (Rmult_le_pos _ _ HA (norm_nonneg d u)) as P.
  apply Rsqr_incr_0; [|apply norm_nonneg | exact P]. unfold Rsqr. rewrite norm_sqr.
  replace (A * norm d u * (A * norm d u)) with (A * A * (norm d u * norm d u)) by ring. apply H.
Qed.

(** ‖∇loss(θ)‖ <= √2 A *)
Theorem softmax_gradient_norm A theta :
  0 <= A -> features_bounded A -> norm d (token_grad theta) <= sqrt 2 * A.
Proof using Hq.
  intros HA H. pose proof (sqrt_pos 2) as P2.
  apply norm_dual; [apply Rmult_le_pos; assumption|]. intros u.
  replace (dot d (token_grad theta) u)
    with (dot V (fun v => softmax V (logits theta) v - q v) (slopes u))
    by (rewrite dot_minus_l, token_grad_dot; reflexivity).
  apply Rle_trans with (1 := dot_le _ _ _). rewrite Rmult_assoc.
  apply Rmult_le_compat; try apply norm_nonneg.
  - apply simplex_distance; [apply softmax_dist, (dist_size V q Hq) | exact Hq].
  - apply features_norm; assumption.
Qed.

(** 0 <= <u, ∇²loss(θ) u> <= ½ A² ‖u‖² *)
Theorem softmax_curvature_bound A theta u :
  features_bounded A ->
  0 <= Var V (softmax V (logits theta)) (slopes u) <= / 2 * (A * A * (norm d u * norm d u)).
Proof using Hq.
  intros H. destruct (variance_half V (softmax V (logits theta)) (slopes u)) as [Lo Up].
  - apply softmax_dist, (dist_size V q Hq).
  - split; [exact Lo|]. specialize (H u). lra.
Qed.

End Linear.
