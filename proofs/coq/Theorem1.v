(** * Theorem 1: the true safety gap, bounded through the proxy

    For every policy P, with B and C as in A1,

        G_s(P) <= Ĝ_s(P) + B TV(D, D̂) + E_{x~D̂}[ KL(μ(x)‖μ̂(x)) + 2C TV(μ(x), μ̂(x)) ].

    The idea: G_s - Ĝ_s is exactly a prompt shift plus a response shift, and each has its own bound.
    At P_λ there is another, with neither a TV nor a supremum, since P_λ >= (1-w) μ̂ pointwise:

        G_s(P_λ) <= E_{x~D} KL(μ(x)‖μ̂(x)) + E_{x~D} log 1/(1-w(x)),
        and where the proxy reaches, log 1/(1-w) = log(1 + D_f/(λ D̂)). *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite.
Open Scope R_scope.

(** ** Facts used below *)

Lemma expect_Fin n D f :
  expect n D (fun x => Fin (f x)) = Fin (sum n (fun x => D x * f x)).
Proof. apply (esum_Fin n (fun x => D x * f x)). Qed.

Lemma expect_plus n D f g :
  nonneg n D ->
  expect n D (fun x => eplus (f x) (g x)) = eplus (expect n D f) (expect n D g).
Proof.
  intros HD. unfold expect. rewrite <- esum_plus. apply esum_ext; intros x Hx.
  apply escale_plus; auto.
Qed.

(** An expectation looks at a function only where its weight is positive. *)
Lemma expect_ext n D f g :
  nonneg n D -> (forall x, (x < n)%nat -> 0 < D x -> f x = g x) -> expect n D f = expect n D g.
Proof.
  intros HD H. apply esum_ext; intros x Hx. destruct (HD x Hx) as [P| <-].
  - rewrite H by assumption. reflexivity.
  - rewrite !escale_0. reflexivity.
Qed.

(** and is finite only where the function is. *)
Lemma expect_finite_inv n D f s :
  expect n D f = Fin s -> forall x, (x < n)%nat -> 0 < D x -> exists y, f x = Fin y.
Proof.
  intros E x Hx HD. destruct (esum_finite_inv n _ s E x Hx) as [y Hy].
  destruct (f x) as [z|]; [exists z; reflexivity|].
  rewrite escale_Inf in Hy by exact HD. discriminate.
Qed.

Lemma expect_finite n D f :
  nonneg n D -> (forall x, (x < n)%nat -> 0 < D x -> exists y, f x = Fin y) ->
  exists s, expect n D f = Fin s.
Proof.
  intros HD H. apply esum_finite; intros x Hx.
  destruct (HD x Hx) as [P| <-]; [|exists 0; apply escale_0].
  destruct (H x Hx P) as [y ->]. exists (D x * y). reflexivity.
Qed.

Lemma log_inverse_Inf v : ~ 0 < v -> log_inverse v = Inf.
Proof. intros H. unfold log_inverse. destruct (Rlt_dec 0 v); [contradiction|reflexivity]. Qed.

Lemma log_inverse_pos v : 0 < v -> log_inverse v = Fin (ln (1 / v)).
Proof. intros H. unfold log_inverse. destruct (Rlt_dec 0 v); [reflexivity|contradiction]. Qed.

(** The total variation is what one distribution has more than the other. *)
Lemma TV_positive_part n p q :
  dist n p -> dist n q -> TV n p q = sum n (fun i => Rmax 0 (p i - q i)).
Proof.
  intros [_ Sp] [_ Sq]. unfold TV.
  rewrite (sum_ext n (fun i => Rabs (p i - q i))
                     (fun i => 2 * Rmax 0 (p i - q i) - (p i - q i))).
  - rewrite sum_minus, sum_scal, sum_minus, Sp, Sq. lra.
  - intros i _. unfold Rabs, Rmax.
    destruct (Rcase_abs (p i - q i)), (Rle_dec 0 (p i - q i)); lra.
Qed.

(** KL(p‖r) <= KL(p̂‖r) + KL(p‖p̂) + 2C TV(p, p̂) when |log p̂/r| <= C where both are positive;
    where only one is, a divergence on the right is infinite or the term does not count. *)
Lemma KL_transfer k C p ph r :
  dist k p -> dist k ph ->
  (forall j, (j < k)%nat -> 0 < ph j -> 0 < r j -> Rabs (ln (ph j / r j)) <= C) ->
  ele (KL k p r) (eplus (KL k ph r) (eplus (KL k p ph) (Fin (2 * C * TV k p ph)))).
Proof.
  intros Hp Hph HC. pose proof Hp as [Np _]. pose proof Hph as [Nph _].
  destruct (KL k ph r) as [u|] eqn:Eu; [|apply ele_Inf].
  destruct (KL k p ph) as [v|] eqn:Ev; [|apply ele_Inf].
  pose proof (KL_finite_inv k ph r u Eu) as Rph. pose proof (KL_finite_inv k p ph v Ev) as Php.
  rewrite (KL_finite k ph r) in Eu by assumption. injection Eu as <-.
  rewrite (KL_finite k p ph) in Ev by assumption. injection Ev as <-.
  rewrite (KL_finite k p r) by auto. simpl.
  assert (H : sum k (fun j => p j * ln (ph j / r j))
              <= sum k (fun j => ph j * ln (ph j / r j)) + (C - - C) * TV k p ph).
  { apply TV_range; auto. intros j Hj Hpos.
    assert (Pph : 0 < ph j) by (destruct Hpos; auto).
    specialize (HC j Hj Pph (Rph j Hj Pph)). unfold Rabs in HC.
    destruct (Rcase_abs _); lra. }
  replace (sum k (fun j => p j * ln (p j / r j)))
    with (sum k (fun j => p j * ln (p j / ph j)) + sum k (fun j => p j * ln (ph j / r j))); [lra|].
  rewrite <- sum_plus. apply sum_ext; intros j Hj.
  destruct (Np j Hj) as [P| <-]; [|ring].
  rewrite !ln_div by auto. ring.
Qed.

(** A mixture is at most KL(p‖q) + log 1/(1-w) from whatever p, where q has weight 1-w. *)
Lemma KL_to_mix k w p q' q :
  0 <= w <= 1 -> dist k p -> nonneg k q' -> nonneg k q ->
  ele (KL k p (mix w q' q)) (eplus (KL k p q) (log_inverse (1 - w))).
Proof.
  intros Hw [Np Sp] Nq' Nq. destruct (KL k p q) as [u|] eqn:Eu; [|apply ele_Inf].
  destruct (Rlt_dec 0 (1 - w)) as [Pw|Hn]; [|rewrite log_inverse_Inf by exact Hn; apply ele_Inf].
  rewrite log_inverse_pos by exact Pw.
  pose proof (KL_finite_inv k p q u Eu) as Pq.
  rewrite (KL_finite k p q) in Eu by assumption. injection Eu as <-.
  assert (L : forall j, (j < k)%nat -> (1 - w) * q j <= mix w q' q j).
  { intros j Hj. unfold mix. assert (0 <= w * q' j) by (apply Rmult_le_pos; auto; lra). lra. }
  assert (M : forall j, (j < k)%nat -> 0 < p j -> 0 < (1 - w) * q j)
    by (intros; apply Rmult_lt_0_compat; auto).
  rewrite KL_finite by (auto; intros j Hj P; apply Rlt_le_trans with (1 := M j Hj P), L, Hj). simpl.
  replace (ln (1 / (1 - w))) with (sum k (fun j => ln (1 / (1 - w)) * p j))
    by (rewrite sum_scal, Sp; ring).
  rewrite <- sum_plus. apply sum_le; intros j Hj. destruct (Np j Hj) as [P| <-]; [|lra].
  pose proof (ln_le _ _ (M j Hj P) (L j Hj)) as H. rewrite ln_mult in H by auto.
  assert (0 < mix w q' q j) by (apply Rlt_le_trans with (1 := M j Hj P), L, Hj).
  rewrite !ln_div, ln_1 by (auto; lra).
  replace (p j * (ln (p j) - ln (q j)) + (0 - ln (1 - w)) * p j)
    with (p j * (ln (p j) - (ln (1 - w) + ln (q j)))) by ring.
  apply Rmult_le_compat_l; lra.
Qed.

(** ** The signed decomposition *)
Section Transfer.

Variables (n k : nat) (D Dh : nat -> R) (mu muh P : nat -> nat -> R) (B C : R).

(** Σ_x (D - D̂)(x) KL(μ(x)‖P(x)), where a(x) is the divergence *)
Definition prompt_shift (a : nat -> R) : R := sum n (fun x => (D x - Dh x) * a x).

(** Σ_x D̂(x) (KL(μ(x)‖P(x)) - KL(μ̂(x)‖P(x))), where a(x) and b(x) are the divergences *)
Definition response_shift (a b : nat -> R) : R := sum n (fun x => Dh x * (a x - b x)).

(** a(x) = KL(μ(x)‖P(x)) and b(x) = KL(μ̂(x)‖P(x)), finite, on the prompts that count *)
Definition divergences (a b : nat -> R) : Prop :=
  (forall x, (x < n)%nat -> 0 < D x \/ 0 < Dh x -> KL k (mu x) (P x) = Fin (a x)) /\
  (forall x, (x < n)%nat -> 0 < Dh x -> KL k (muh x) (P x) = Fin (b x)).

Hypotheses (D_dist : dist n D) (Dh_dist : dist n Dh).
Hypotheses (mu_kernel : kernel n k mu) (muh_kernel : kernel n k muh) (P_kernel : kernel n k P).

(** They exist exactly when the three gaps are finite: here is one half, the theorem the other. *)
Lemma divergences_exist gs m gp :
  gap n k D mu P = Fin gs -> gap n k Dh mu P = Fin m -> gap n k Dh muh P = Fin gp ->
  exists a b, divergences a b.
Proof using.
  intros Es Em Ep. pose (value := fun e => match e with Fin y => y | Inf => 0 end).
  exists (fun x => value (KL k (mu x) (P x))), (fun x => value (KL k (muh x) (P x))). split.
  - intros x Hx [H|H].
    + destruct (expect_finite_inv n D _ gs Es x Hx H) as [y ->]. reflexivity.
    + destruct (expect_finite_inv n Dh _ m Em x Hx H) as [y ->]. reflexivity.
  - intros x Hx H. destruct (expect_finite_inv n Dh _ gp Ep x Hx H) as [y ->]. reflexivity.
Qed.

(** The decomposition G_s(P) = Ĝ_s(P) + prompt shift + response shift, exact and signed *)
Theorem theorem1_decomposition a b :
  nonneg n D -> nonneg n Dh -> divergences a b ->
  exists gs m gp,
    gap n k D mu P = Fin gs /\ gap n k Dh mu P = Fin m /\ gap n k Dh muh P = Fin gp /\
    prompt_shift a = gs - m /\ response_shift a b = m - gp /\
    gs = gp + prompt_shift a + response_shift a b.
Proof using.
  intros ND NDh [Ha Hb].
  assert (Es : gap n k D mu P = Fin (sum n (fun x => D x * a x)))
    by (rewrite <- expect_Fin; apply expect_ext; auto).
  assert (Em : gap n k Dh mu P = Fin (sum n (fun x => Dh x * a x)))
    by (rewrite <- expect_Fin; apply expect_ext; auto).
  assert (Ep : gap n k Dh muh P = Fin (sum n (fun x => Dh x * b x)))
    by (rewrite <- expect_Fin; apply expect_ext; auto).
  assert (Sp : prompt_shift a = sum n (fun x => D x * a x) - sum n (fun x => Dh x * a x))
    by (rewrite <- sum_minus; apply sum_ext; intros; ring).
  assert (Sr : response_shift a b = sum n (fun x => Dh x * a x) - sum n (fun x => Dh x * b x))
    by (rewrite <- sum_minus; apply sum_ext; intros; ring).
  exists (sum n (fun x => D x * a x)), (sum n (fun x => Dh x * a x)),
    (sum n (fun x => Dh x * b x)).
  rewrite Sp, Sr. repeat (split; [assumption || reflexivity|]). ring.
Qed.

(** ** The bound *)

(** A1, as much of it as is needed: B counts only where D has more than D̂, C only where both μ̂
    and P are positive. Where A1 fails otherwise, the rest of the right-hand side is enough. *)
Hypothesis A1_B : forall x, (x < n)%nat -> Dh x < D x -> ele (KL k (mu x) (P x)) (Fin B).
Hypothesis A1_C : forall x j, (x < n)%nat -> (j < k)%nat ->
  0 < Dh x -> 0 < muh x j -> 0 < P x j -> Rabs (ln (muh x j / P x j)) <= C.

(** The shifts one by one: prompt shift <= B TV(D, D̂), and
    response shift <= E_{x~D̂}[ KL(μ(x)‖μ̂(x)) + 2C TV(μ(x), μ̂(x)) ] *)
Theorem theorem1_shifts_bounded a b :
  divergences a b ->
  prompt_shift a <= B * TV n D Dh /\
  ele (Fin (response_shift a b))
      (expect n Dh (fun x => eplus (KL k (mu x) (muh x)) (Fin (2 * C * TV k (mu x) (muh x))))).
Proof using All.
  intros [Ha Hb]. destruct D_dist as [ND _], Dh_dist as [NDh _]. split.
  - rewrite TV_positive_part, <- sum_scal by assumption. apply sum_le; intros x Hx.
    specialize (ND x Hx). specialize (NDh x Hx). unfold Rmax.
    destruct (Rle_dec 0 (D x - Dh x)) as [[H|H]|H].
    + rewrite (Rmult_comm B). apply Rmult_le_compat_l; [lra|].
      assert (L : ele (KL k (mu x) (P x)) (Fin B)) by (apply A1_B; [exact Hx|lra]).
      rewrite Ha in L by (assumption || (left; lra)). exact L.
    + rewrite <- H. lra.
    + assert (G : ele (Fin 0) (KL k (mu x) (P x))) by (apply gibbs; auto).
      rewrite Ha in G by (assumption || (right; lra)). simpl in G.
      assert (0 <= (Dh x - D x) * a x) by (apply Rmult_le_pos; lra). lra.
  - unfold response_shift. rewrite <- expect_Fin. apply expect_le; [exact NDh|].
    intros x Hx H. apply (ele_cancel (b x)). apply ele_trans with (KL k (mu x) (P x)).
    + rewrite Ha by auto. simpl. lra.
    + rewrite <- Hb by assumption. apply KL_transfer; auto.
Qed.

(** Theorem 1: G_s(P) <= Ĝ_s(P) + B TV(D, D̂) + E_{x~D̂}[ KL(μ(x)‖μ̂(x)) + 2C TV(μ(x), μ̂(x)) ] *)
Theorem theorem1_paper :
  ele (gap n k D mu P)
      (eplus (eplus (gap n k Dh muh P) (Fin (B * TV n D Dh)))
             (expect n Dh (fun x =>
                eplus (KL k (mu x) (muh x)) (Fin (2 * C * TV k (mu x) (muh x)))))).
Proof using All.
  destruct D_dist as [ND _], Dh_dist as [NDh _].
  set (shift := fun x => eplus (KL k (mu x) (muh x)) (Fin (2 * C * TV k (mu x) (muh x)))).
  destruct (gap n k Dh muh P) as [gp|] eqn:Ep; [|apply ele_Inf].
  destruct (expect n Dh shift) as [r|] eqn:Er; [|apply ele_Inf].
  (* the right-hand side is finite, hence so is every divergence on the left *)
  assert (Fh : forall x, (x < n)%nat -> 0 < Dh x -> exists y, KL k (mu x) (P x) = Fin y).
  { intros x Hx H. pose proof (KL_transfer k C (mu x) (muh x) (P x)) as T.
    destruct (expect_finite_inv n Dh _ gp Ep x Hx H) as [u Eu].
    destruct (expect_finite_inv n Dh _ r Er x Hx H) as [v Ev]. unfold shift in Ev.
    rewrite Eu, Ev in T. destruct (KL k (mu x) (P x)) as [y|]; [exists y; reflexivity|].
    exfalso. apply T; auto. }
  assert (F : forall x, (x < n)%nat -> 0 < D x -> exists y, KL k (mu x) (P x) = Fin y).
  { intros x Hx H. destruct (NDh x Hx) as [Hh|Hh]; [auto|].
    assert (L : ele (KL k (mu x) (P x)) (Fin B)) by (apply A1_B; [exact Hx|lra]).
    destruct (KL k (mu x) (P x)) as [y|]; [exists y; reflexivity|contradiction]. }
  destruct (expect_finite n D (fun x => KL k (mu x) (P x))) as [gs Es]; auto.
  destruct (expect_finite n Dh (fun x => KL k (mu x) (P x))) as [m Em]; auto.
  destruct (divergences_exist gs m gp Es Em Ep) as [a [b Hab]].
  destruct (theorem1_decomposition a b ND NDh Hab) as (gs' & _ & gp' & Es' & _ & Ep' & _ & _ & E).
  destruct (theorem1_shifts_bounded a b Hab) as [Lp Lr]. fold shift in Lr.
  rewrite Er in Lr. rewrite Ep in Ep'. injection Ep' as <-. rewrite Es'. simpl in *. lra.
Qed.

End Transfer.

(** ** At the pointwise optimum *)
Section Refined.

Variables (n k : nat) (D Df Dh : nat -> R) (mu muf muh : nat -> nat -> R) (lam : R).
Local Notation weight := (weight Df Dh lam).
Local Notation P_lam := (P_lam Df Dh muf muh lam).

Hypotheses (D_nonneg : nonneg n D) (Df_nonneg : nonneg n Df) (Dh_nonneg : nonneg n Dh).
Hypotheses (mu_kernel : kernel n k mu) (muf_kernel : kernel n k muf) (muh_kernel : kernel n k muh).

(** Theorem 1, refined: G_s(P_λ) <= E_{x~D} KL(μ(x)‖μ̂(x)) + E_{x~D} log 1/(1-w(x)) *)
Theorem theorem1_refined :
  0 <= lam ->
  ele (gap n k D mu P_lam)
      (eplus (expect n D (fun x => KL k (mu x) (muh x)))
             (expect n D (fun x => log_inverse (1 - weight x)))).
Proof using All.
  intros Hlam. rewrite <- expect_plus by exact D_nonneg. apply expect_le; [exact D_nonneg|].
  intros x Hx _. apply KL_to_mix; auto.
  - apply (weight_range n); assumption.
  - apply (muf_kernel x Hx).
  - apply (muh_kernel x Hx).
Qed.

(** Where the proxy reaches, 1/(1-w) = 1 + D_f/(λ D̂): the cost is log(1 + D_f/(λ D̂)). *)
Lemma inverse_other_weight x :
  (x < n)%nat -> 0 < lam -> 0 < Dh x ->
  0 < 1 - weight x /\ 1 / (1 - weight x) = 1 + Df x / (lam * Dh x).
Proof using Df_nonneg.
  intros Hx Hlam H. specialize (Df_nonneg x Hx).
  pose proof (Rmult_lt_0_compat lam (Dh x) Hlam H) as Hl.
  unfold Finite.weight. rewrite share_other by lra. split; [apply share_pos; lra|].
  unfold share. destruct (Rlt_dec 0 (lam * Dh x + Df x)); [|lra]. field. repeat split; lra.
Qed.

Lemma log_inverse_other_weight x :
  (x < n)%nat -> 0 < lam -> 0 < Dh x ->
  log_inverse (1 - weight x) = Fin (ln (1 + Df x / (lam * Dh x))).
Proof using Df_nonneg.
  intros Hx Hlam H. destruct (inverse_other_weight x Hx Hlam H) as [W <-].
  apply log_inverse_pos, W.
Qed.

(** Where it does not, the cost is infinite if the capability data reach, and 0 if they do not. *)
Lemma log_inverse_other_weight_unreached x :
  (x < n)%nat -> Dh x = 0 ->
  log_inverse (1 - weight x) = if Rlt_dec 0 (Df x) then Inf else Fin 0.
Proof using Df_nonneg.
  intros Hx H. specialize (Df_nonneg x Hx). unfold Finite.weight, share.
  rewrite H, Rmult_0_r, Rplus_0_r. destruct (Rlt_dec 0 (Df x)) as [P|P].
  - apply log_inverse_Inf. unfold Rdiv. rewrite Rinv_r; lra.
  - rewrite log_inverse_pos by lra. f_equal. unfold Rdiv. rewrite Rminus_0_r, Rinv_1, Rmult_1_r.
    apply ln_1.
Qed.

End Refined.
