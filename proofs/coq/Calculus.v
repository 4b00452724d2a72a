(** * Calculus: along a segment, and on R^d

    What Theorem 3 needs from analysis. On an interval of R, the mean value inequality, and

        f'' <= K on [0,1]  gives  f(1) <= f(0) + f'(0) + K/2,   and from below with f'' >= K.

    On R^d, the Euclidean norm with the Cauchy-Schwarz inequality, the (Fréchet) gradient, sums
    of functions, and the chain rule: t ↦ F(x + t v) has derivative <∇F(x + t v), v>. A vector is
    a function on [nat] of which only the values below d are ever used. *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum.
Open Scope R_scope.

(** ** On an interval of R *)

(** A derivative with a property can be picked out, as it is the only one. *)
Lemma derivative_sig f t (Q : R -> Prop) :
  (exists l, derivable_pt_lim f t l /\ Q l) -> {l | derivable_pt_lim f t l /\ Q l}.
Proof.
  intros H. destruct (completeness (fun l => derivable_pt_lim f t l)) as [m [Up Least]].
  - destruct H as [l [Dl _]]. exists l. intros y Dy.
    right. exact (uniqueness_limite f t y l Dy Dl).
  - destruct H as [l [Dl _]]. exists l. exact Dl.
  - exists m. destruct H as [l [Dl Ql]]. replace m with l; [split; assumption|].
    apply Rle_antisym; [apply Up; exact Dl|]. apply Least. intros y Dy.
    right. exact (uniqueness_limite f t y l Dy Dl).
Qed.

(** f' <= M on [a,b] gives f(b) - f(a) <= M (b - a). *)
Lemma mvt_le f a b M :
  a <= b -> (forall t, a <= t <= b -> exists l, derivable_pt_lim f t l /\ l <= M) ->
  f b - f a <= M * (b - a).
Proof.
  intros [Hab|Hab] H; [|subst; lra].
  set (f' := fun t => match Rle_dec a t, Rle_dec t b with
    | left Ha, left Hb => proj1_sig (derivative_sig f t (fun l => l <= M) (H t (conj Ha Hb)))
    | _, _ => 0 end).
  assert (Hf' : forall t, a <= t <= b -> derivable_pt_lim f t (f' t) /\ f' t <= M).
  { intros t [Ha Hb]. unfold f'. destruct (Rle_dec a t); [|contradiction].
    destruct (Rle_dec t b); [|contradiction]. destruct (derivative_sig f t) as [l Hl]. exact Hl. }
  destruct (MVT_cor2 f f' a b Hab (fun t Ht => proj1 (Hf' t Ht))) as [c [E Hc]].
  rewrite E. apply Rmult_le_compat_r; [lra|]. apply Hf'. lra.
Qed.

(** |f'| <= L on [a,b] gives |f(b) - f(a)| <= L (b - a). *)
Lemma mvt_abs f a b L :
  a <= b -> (forall t, a <= t <= b -> exists l, derivable_pt_lim f t l /\ Rabs l <= L) ->
  Rabs (f b - f a) <= L * (b - a).
Proof.
  intros Hab H. apply Rabs_le. split.
  - assert (E : (- f)%F b - (- f)%F a <= L * (b - a)).
    { apply mvt_le; [exact Hab|]. intros t Ht. destruct (H t Ht) as [l [Dl Hl]]. exists (- l).
      split; [apply derivable_pt_lim_opp; exact Dl|].
      pose proof (Rle_abs (- l)) as A. rewrite Rabs_Ropp in A. lra. }
    unfold opp_fct in E. lra.
  - apply mvt_le; [exact Hab|]. intros t Ht. destruct (H t Ht) as [l [Dl Hl]].
    exists l. split; [exact Dl|]. apply Rle_trans with (2 := Hl), Rle_abs.
Qed.

(** (a t + b t²)' = a + 2 b t *)
Lemma derivable_pt_lim_quadratic a b t :
  derivable_pt_lim (fun s => a * s + b * (s * s)) t (a + 2 * b * t).
Proof.
  replace (a + 2 * b * t) with (a * 1 + b * (1 * t + t * 1)) by ring.
  apply (derivable_pt_lim_plus (fun s => a * s) (fun s => b * (s * s))).
  - apply (derivable_pt_lim_scal id), derivable_pt_lim_id.
  - apply (derivable_pt_lim_scal (fun s => s * s)).
    apply (derivable_pt_lim_mult id id); apply derivable_pt_lim_id.
Qed.

(** f'' <= K on [0,1] gives f(1) <= f(0) + f'(0) + K/2. *)
Lemma second_order_upper f f' K :
  (forall t, 0 <= t <= 1 -> derivable_pt_lim f t (f' t)) ->
  (forall t, 0 <= t <= 1 -> exists c, derivable_pt_lim f' t c /\ c <= K) ->
  f 1 <= f 0 + f' 0 + K / 2.
Proof.
  intros Df Df'. set (h := fun t => f t - (f' 0 * t + K / 2 * (t * t))).
  assert (H : h 1 - h 0 <= 0 * (1 - 0)); [|unfold h in H; lra].
  apply mvt_le; [lra|]. intros t Ht. exists (f' t - (f' 0 + 2 * (K / 2) * t)). split.
  - apply derivable_pt_lim_minus; [auto | apply derivable_pt_lim_quadratic].
  - assert (f' t - f' 0 <= K * (t - 0)); [|lra].
    apply mvt_le; [lra|]. intros s Hs. apply Df'. lra.
Qed.

(** f'' >= K on [0,1] gives f(1) >= f(0) + f'(0) + K/2. *)
Lemma second_order_lower f f' K :
  (forall t, 0 <= t <= 1 -> derivable_pt_lim f t (f' t)) ->
  (forall t, 0 <= t <= 1 -> exists c, derivable_pt_lim f' t c /\ K <= c) ->
  f 0 + f' 0 + K / 2 <= f 1.
Proof.
  intros Df Df'.
  assert (H : (- f)%F 1 <= (- f)%F 0 + (- f')%F 0 + - K / 2); [|unfold opp_fct in H; lra].
  apply second_order_upper.
  - intros t Ht. apply derivable_pt_lim_opp, Df, Ht.
  - intros t Ht. destruct (Df' t Ht) as [c [Dc Hc]].
    exists (- c). split; [apply derivable_pt_lim_opp; exact Dc | lra].
Qed.

(** ** Vectors of R^d *)
Definition vec := nat -> R.

(** The point x + t v *)
Definition line (x v : vec) (t : R) : vec := fun i => x i + t * v i.

Lemma line_0 x v : line x v 0 = x.
Proof. apply functional_extensionality; intros i. unfold line. ring. Qed.

Lemma line_line x v s t : line (line x v s) v t = line x v (s + t).
Proof. apply functional_extensionality; intros i. unfold line. ring. Qed.

Lemma line_minus x v t : (fun i => line x v t i - x i) = (fun i => t * v i).
Proof. apply functional_extensionality; intros i. unfold line. ring. Qed.

Lemma line_to x y : line x (fun i => y i - x i) 1 = y.
Proof. apply functional_extensionality; intros i. unfold line. ring. Qed.

Section Rd.
Variable d : nat.

Definition dot (u v : vec) : R := sum d (fun i => u i * v i).
Definition norm (u : vec) : R := sqrt (dot u u).

Lemma dot_self_nonneg u : 0 <= dot u u.
Proof. apply sum_nonneg; intros. apply Rle_0_sqr. Qed.

Lemma norm_nonneg u : 0 <= norm u.
Proof. apply sqrt_pos. Qed.

Lemma norm_sqr u : norm u * norm u = dot u u.
Proof. apply sqrt_sqrt, dot_self_nonneg. Qed.

Lemma dot_comm u v : dot u v = dot v u.
Proof. apply sum_ext; intros; ring. Qed.

Lemma dot_scal_l c u v : dot (fun i => c * u i) v = c * dot u v.
Proof. unfold dot. rewrite <- sum_scal. apply sum_ext; intros; ring. Qed.

Lemma dot_scal_r c u v : dot u (fun i => c * v i) = c * dot u v.
Proof. rewrite dot_comm, dot_scal_l, dot_comm. reflexivity. Qed.

Lemma dot_plus_r u v w : dot u (fun i => v i + w i) = dot u v + dot u w.
Proof. unfold dot. rewrite <- sum_plus. apply sum_ext; intros; ring. Qed.

Lemma dot_minus_l u v w : dot (fun i => u i - v i) w = dot u w - dot v w.
Proof. unfold dot. rewrite <- sum_minus. apply sum_ext; intros; ring. Qed.

(** The inner product with a weighted sum of vectors *)
Lemma dot_sum_l n c (a : nat -> vec) u :
  dot (fun i => sum n (fun k => c k * a k i)) u = sum n (fun k => c k * dot (a k) u).
Proof.
  unfold dot. rewrite (sum_ext n _ (fun k => sum d (fun i => c k * (a k i * u i))))
    by (intros; symmetry; apply sum_scal).
  rewrite sum_swap. apply sum_ext; intros i Hi.
  rewrite Rmult_comm, <- sum_scal. apply sum_ext; intros; ring.
Qed.

Lemma dot_quadratic u v s t :
  dot (fun i => s * u i + t * v i) (fun i => s * u i + t * v i)
  = s * s * dot u u + 2 * (s * t) * dot u v + t * t * dot v v.
Proof.
  unfold dot. rewrite <- !sum_scal, <- !sum_plus. apply sum_ext; intros; ring.
Qed.

Lemma dot_norm0 u v : dot v v = 0 -> dot u v = 0.
Proof.
  intros Hv. assert (Z : forall i, (i < d)%nat -> v i * v i = 0).
  { apply sum_eq0; [intros; apply Rle_0_sqr | exact Hv]. }
  unfold dot. rewrite <- (sum_0 d). apply sum_ext; intros i Hi.
  rewrite (Rsqr_0_uniq (v i)) by (apply Z; exact Hi). ring.
Qed.

Theorem Cauchy_Schwarz u v : Rabs (dot u v) <= norm u * norm v.
Proof.
  assert (H : Rsqr (dot u v) <= Rsqr (norm u * norm v)).
  { unfold Rsqr. replace (norm u * norm v * (norm u * norm v))
      with ((norm u * norm u) * (norm v * norm v)) by ring.
    rewrite !norm_sqr.
    pose proof (dot_self_nonneg (fun i => dot v v * u i + - dot u v * v i)) as H.
    rewrite dot_quadratic in H.
    destruct (dot_self_nonneg v) as [Hv|Hv].
    - apply (Rmult_le_reg_l (dot v v)); [exact Hv|]. lra.
    - rewrite (dot_norm0 u v) by auto. rewrite <- Hv. lra. }
  apply Rsqr_le_abs_0 in H.
  rewrite (Rabs_pos_eq (norm u * norm v)) in H; [exact H|].
  apply Rmult_le_pos; apply norm_nonneg.
Qed.

Lemma dot_le u v : dot u v <= norm u * norm v.
Proof. apply Rle_trans with (1 := Rle_abs _), Cauchy_Schwarz. Qed.

Lemma dot_ge u v : - (norm u * norm v) <= dot u v.
Proof.
  pose proof (Cauchy_Schwarz u v) as H. pose proof (Rle_abs (- dot u v)) as A.
  rewrite Rabs_Ropp in A. lra.
Qed.

Lemma dot_sqr_le u v : dot u v * dot u v <= dot u u * dot v v.
Proof.
  pose proof (Rsqr_le_abs_1 (dot u v) (norm u * norm v)) as C.
  rewrite (Rabs_pos_eq (norm u * norm v)) in C by (apply Rmult_le_pos; apply norm_nonneg).
  specialize (C (Cauchy_Schwarz u v)). unfold Rsqr in C. rewrite <- !norm_sqr. lra.
Qed.

Lemma norm_scal c u : norm (fun i => c * u i) = Rabs c * norm u.
Proof.
  unfold norm. rewrite dot_scal_l, dot_scal_r, <- Rmult_assoc.
  change (c * c) with (Rsqr c).
  rewrite sqrt_mult_alt by apply Rle_0_sqr. rewrite sqrt_Rsqr_abs. reflexivity.
Qed.

(** A vector is no longer than C when no direction sees more than C of it. *)
Lemma norm_dual g C : 0 <= C -> (forall u, dot g u <= C * norm u) -> norm g <= C.
Proof.
  intros HC H. destruct (norm_nonneg g) as [P|Z]; [|lra].
  apply (Rmult_le_reg_r (norm g)); [exact P|]. rewrite norm_sqr. apply H.
Qed.

(** ** Gradients

    g is the (Fréchet) gradient of F at x: F(y) = F(x) + <g, y - x> + o(‖y - x‖). *)
Definition has_gradient (F : vec -> R) (x g : vec) : Prop :=
  forall eps, 0 < eps -> exists delta, 0 < delta /\
    forall y, norm (fun i => y i - x i) < delta ->
      Rabs (F y - F x - dot g (fun i => y i - x i)) <= eps * norm (fun i => y i - x i).

(** The chain rule along a line *)
Lemma gradient_line F x v t g :
  has_gradient F (line x v t) g -> derivable_pt_lim (fun s => F (line x v s)) t (dot g v).
Proof.
  intros Hg eps Heps. pose proof (norm_nonneg v) as Hv.
  destruct (Hg (eps / 2 / (norm v + 1))) as [delta [Hd H]].
  { apply Rdiv_lt_0_compat; lra. }
  assert (Hd' : 0 < delta / (norm v + 1)) by (apply Rdiv_lt_0_compat; lra).
  exists (mkposreal _ Hd'). simpl. intros h Hh0 Hh.
  assert (Hah : 0 < Rabs h) by (apply Rabs_pos_lt; exact Hh0).
  specialize (H (line x v (t + h))).
  rewrite <- line_line, line_minus, norm_scal, dot_scal_r, line_line in H.
  assert (Hsmall : Rabs h * norm v < delta).
  { apply (Rmult_lt_compat_r (norm v + 1)) in Hh; [|lra].
    unfold Rdiv in Hh. rewrite Rmult_assoc, Rinv_l in Hh by lra. lra. }
  specialize (H Hsmall).
  replace ((F (line x v (t + h)) - F (line x v t)) / h - dot g v)
    with ((F (line x v (t + h)) - F (line x v t) - h * dot g v) / h) by (field; exact Hh0).
  unfold Rdiv. rewrite Rabs_mult, Rabs_inv.
  apply (Rmult_lt_reg_r (Rabs h)); [exact Hah|].
  rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
  apply Rle_lt_trans with (1 := H).
  assert (Hfrac : eps / 2 / (norm v + 1) * norm v <= eps / 2).
  { apply (Rmult_le_reg_r (norm v + 1)); [lra|].
    replace (eps / 2 / (norm v + 1) * norm v * (norm v + 1)) with (eps / 2 * norm v)
      by (field; lra). apply Rmult_le_compat_l; lra. }
  apply (Rmult_le_compat_r (Rabs h)) in Hfrac; [|lra].
  apply Rle_lt_trans with (eps / 2 * Rabs h); [lra|]. apply Rmult_lt_compat_r; lra.
Qed.

(** A remainder of second order is small enough. *)
Lemma gradient_quadratic F x g A :
  0 <= A ->
  (forall y, Rabs (F y - F x - dot g (fun i => y i - x i))
             <= A * (norm (fun i => y i - x i) * norm (fun i => y i - x i))) ->
  has_gradient F x g.
Proof.
  intros HA H eps Heps. exists (eps / (A + 1)).
  split; [apply Rdiv_lt_0_compat; lra|]. intros y Hy. apply Rle_trans with (1 := H y).
  rewrite <- Rmult_assoc. apply Rmult_le_compat_r; [apply norm_nonneg|].
  apply (Rmult_lt_compat_l (A + 1)) in Hy; [|lra].
  replace ((A + 1) * (eps / (A + 1))) with eps in Hy by (field; lra).
  pose proof (norm_nonneg (fun i => y i - x i)). lra.
Qed.

Lemma gradient_scal c F x g :
  has_gradient F x g -> has_gradient (fun y => c * F y) x (fun i => c * g i).
Proof.
  intros H eps Heps. pose proof (Rabs_pos c) as Hc.
  destruct (H (eps / (Rabs c + 1))) as [delta [Hd Hy]]; [apply Rdiv_lt_0_compat; lra|].
  exists delta. split; [exact Hd|]. intros y Hyd. specialize (Hy y Hyd). rewrite dot_scal_l.
  set (w := norm (fun i => y i - x i)) in *.
  replace (c * F y - c * F x - c * dot g (fun i => y i - x i))
    with (c * (F y - F x - dot g (fun i => y i - x i))) by ring.
  rewrite Rabs_mult. assert (Hw : 0 <= w) by apply norm_nonneg.
  apply Rle_trans with ((Rabs c + 1) * (eps / (Rabs c + 1) * w)).
  - apply Rmult_le_compat; [lra | apply Rabs_pos | lra | exact Hy].
  - right. field. lra.
Qed.

Lemma gradient_plus F1 F2 x g1 g2 :
  has_gradient F1 x g1 -> has_gradient F2 x g2 ->
  has_gradient (fun y => F1 y + F2 y) x (fun i => g1 i + g2 i).
Proof.
  intros H1 H2 eps Heps.
  destruct (H1 (eps / 2)) as [d1 [Hd1 K1]]; [lra|].
  destruct (H2 (eps / 2)) as [d2 [Hd2 K2]]; [lra|].
  exists (Rmin d1 d2). split; [apply Rmin_glb_lt; assumption|]. intros y Hy.
  specialize (K1 y (Rlt_le_trans _ _ _ Hy (Rmin_l _ _))).
  specialize (K2 y (Rlt_le_trans _ _ _ Hy (Rmin_r _ _))).
  rewrite (dot_comm (fun i => g1 i + g2 i)), dot_plus_r, !(dot_comm (fun i => y i - x i)).
  set (w := norm (fun i => y i - x i)) in *.
  replace (_ - _ - _) with ((F1 y - F1 x - dot g1 (fun i => y i - x i))
    + (F2 y - F2 x - dot g2 (fun i => y i - x i))) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). lra.
Qed.

Lemma gradient_sum n (F : nat -> vec -> R) x (g : nat -> vec) :
  (forall k, (k < n)%nat -> has_gradient (F k) x (g k)) ->
  has_gradient (fun y => sum n (fun k => F k y)) x (fun i => sum n (fun k => g k i)).
Proof.
  induction n as [|n IH]; intros H.
  - apply (gradient_quadratic _ _ _ 0); [lra|]. intros y. simpl.
    replace (dot (fun _ => 0) (fun i => y i - x i)) with 0.
    + rewrite !Rminus_0_r, Rabs_R0. lra.
    + symmetry. apply (eq_trans (sum_ext d _ (fun _ => 0) (fun i _ => Rmult_0_l _))), sum_0.
  - simpl. apply (gradient_plus (fun y => sum n (fun k => F k y)) (F n)
      x (fun i => sum n (fun k => g k i)) (g n)).
    + apply IH. intros k Hk. apply H. lia.
    + apply H. lia.
Qed.

End Rd.
