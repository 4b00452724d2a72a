(** * Case I on a finite set: gaps, the pointwise optimum, and the excess over it

    n prompts, k responses; a source is a distribution over prompts with a kernel of responses. For a
    penalty λ, with w(x) = D_f(x) / (D_f(x) + λ D̂(x)), the policy P_λ(x) = w(x) μ_f(x) + (1-w(x)) μ̂(x)
    minimises G_f + λ Ĝ_s, it is the only one where training reaches, and every other policy P misses the
    minimum by exactly Σ_x (D_f + λD̂)(x) KL(P_λ(x)‖P(x)): prompt by prompt, the compensation identity. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence.
Open Scope R_scope.

(** ** Gaps *)

(** E_{x~D} KL(μ(x)‖P(x)), +∞ included; G_s, Ĝ_s and G_f are this gap of the three sources. *)
Definition gap (n k : nat) (D : nat -> R) (mu P : nat -> nat -> R) : ext :=
  esum n (fun x => escale (D x) (KL k (mu x) (P x))).

(** E_{x~D} f(x) of a function that may be infinite; prompts that never come cost nothing. *)
Definition expect (n : nat) (D : nat -> R) (f : nat -> ext) : ext :=
  esum n (fun x => escale (D x) (f x)).

Lemma gap_nonneg n k D mu P :
  nonneg n D -> kernel n k mu -> kernel n k P -> ele (Fin 0) (gap n k D mu P).
Proof.
  intros HD Hmu HP. apply esum_nonneg; intros x Hx. apply escale_nonneg; [auto|].
  apply gibbs; auto.
Qed.

Lemma expect_le n D f g :
  nonneg n D -> (forall x, (x < n)%nat -> 0 < D x -> ele (f x) (g x)) ->
  ele (expect n D f) (expect n D g).
Proof.
  intros HD H. apply esum_le; intros x Hx. destruct (HD x Hx) as [P| <-].
  - apply escale_le; [lra | auto].
  - rewrite !escale_0. apply ele_refl.
Qed.

Lemma gap_ext n k D mu P Q :
  (forall x j, (x < n)%nat -> (j < k)%nat -> P x j = Q x j) -> gap n k D mu P = gap n k D mu Q.
Proof.
  intros H. apply esum_ext; intros x Hx. f_equal. apply KL_ext; auto.
Qed.

Section CaseOne.

Variables (n k : nat) (Df Dh : nat -> R) (muf muh : nat -> nat -> R) (lam : R).

(** w(x), and 0 where neither source reaches *)
Definition weight (x : nat) : R := share (Df x) (lam * Dh x).

(** The pointwise optimum P_λ; μ̂ where neither source reaches, which training leaves free *)
Definition P_lam (x : nat) : nat -> R := mix (weight x) (muf x) (muh x).

(** What Case I minimises: G_f(P) + λ Ĝ_s(P) *)
Definition objective (P : nat -> nat -> R) : ext :=
  eplus (gap n k Df muf P) (escale lam (gap n k Dh muh P)).

(** Σ_x (D_f + λD̂)(x) KL(P_λ(x)‖P(x)) *)
Definition excess (P : nat -> nat -> R) : ext :=
  gap n k (fun x => Df x + lam * Dh x) P_lam P.

(** P misses the minimum by at most [slack] = δ + κ. *)
Definition within (slack : R) (P : nat -> nat -> R) : Prop :=
  ele (objective P) (eplus (objective P_lam) (Fin slack)).

Hypothesis Df_nonneg : nonneg n Df.
Hypothesis Dh_nonneg : nonneg n Dh.
Hypothesis muf_kernel : kernel n k muf.
Hypothesis muh_kernel : kernel n k muh.
Hypothesis lam_nonneg : 0 <= lam.

Lemma lamDh_nonneg x : (x < n)%nat -> 0 <= lam * Dh x.
Proof using Dh_nonneg lam_nonneg. intros; apply Rmult_le_pos; auto. Qed.

Lemma weight_range x : (x < n)%nat -> 0 <= weight x <= 1.
Proof using Df_nonneg Dh_nonneg lam_nonneg. intros; apply share_range; auto using lamDh_nonneg. Qed.

Lemma P_lam_kernel : kernel n k P_lam.
Proof using All. intros x Hx. apply mix_dist; auto using weight_range. Qed.

Lemma objective_pointwise P :
  objective P = esum n (fun x => eplus (escale (Df x) (KL k (muf x) (P x)))
                                       (escale (lam * Dh x) (KL k (muh x) (P x)))).
Proof using Dh_nonneg lam_nonneg.
  unfold objective, gap. rewrite <- esum_scale, <- esum_plus by exact lam_nonneg.
  apply esum_ext; intros x Hx. rewrite escale_escale by auto. reflexivity.
Qed.

(** The excess identity: J(P) = J(P_λ) + Σ_x (D_f + λD̂)(x) KL(P_λ(x)‖P(x)), for every P *)
Theorem excess_identity P : objective P = eplus (objective P_lam) (excess P).
Proof using All.
  rewrite !objective_pointwise. unfold excess, gap. rewrite <- esum_plus.
  apply esum_ext; intros x Hx. apply compensation; auto using lamDh_nonneg.
  - apply (muf_kernel x Hx).
  - apply (muh_kernel x Hx).
Qed.

Lemma excess_nonneg P : kernel n k P -> ele (Fin 0) (excess P).
Proof using All.
  intros HP. apply gap_nonneg; [|apply P_lam_kernel|exact HP].
  intros x Hx. pose proof (lamDh_nonneg x Hx). specialize (Df_nonneg x Hx). lra.
Qed.

(** Proposition 0: P_λ is optimal among all policies *)
Theorem proposition0 P : kernel n k P -> ele (objective P_lam) (objective P).
Proof using All.
  intros HP. rewrite (excess_identity P). apply ele_plus_l, excess_nonneg, HP.
Qed.

(** The minimum is finite: it is at most E_{D_f} log 1/w + λ E_D̂ log 1/(1-w). *)
Lemma objective_P_lam_finite : exists v, objective P_lam = Fin v.
Proof using All.
  rewrite objective_pointwise. apply esum_finite; intros x Hx.
  pose proof (lamDh_nonneg x Hx) as Hl. pose proof (weight_range x Hx) as Hw.
  assert (F : forall c p v, 0 <= c -> (0 < c -> 0 < v) -> ele (KL k p (P_lam x)) (log_inverse v) ->
              exists y, escale c (KL k p (P_lam x)) = Fin y).
  { intros c p v [Hc| <-] Hv L; [|exists 0; apply escale_0].
    unfold log_inverse in L. destruct (Rlt_dec 0 v) as [|N]; [|exfalso; auto].
    destruct (KL k p (P_lam x)) as [y|]; [exists (c * y); reflexivity | contradiction]. }
  destruct (F (Df x) (muf x) (weight x)) as [y ->]; [auto | | |].
  { intros H. apply share_pos; assumption. }
  { apply KL_mix_le; auto. apply (muh_kernel x Hx). }
  destruct (F (lam * Dh x) (muh x) (1 - weight x)) as [z ->]; [auto | | |].
  { intros H. unfold weight. pose proof (Df_nonneg x Hx).
    rewrite share_other by (auto; lra). apply share_pos; auto. }
  { apply KL_mix_le_other; auto. apply (muf_kernel x Hx). }
  exists (y + z). reflexivity.
Qed.

(** and the only optimum on every prompt that training reaches *)
Theorem proposition0_unique P :
  kernel n k P -> ele (objective P) (objective P_lam) ->
  forall x, (x < n)%nat -> 0 < Df x + lam * Dh x -> forall j, (j < k)%nat -> P x j = P_lam x j.
Proof using All.
  intros HP Hle x Hx Hr j Hj. destruct objective_P_lam_finite as [v Ev].
  rewrite excess_identity, Ev in Hle.
  assert (Z : ele (excess P) (Fin 0)).
  { apply (ele_cancel v). simpl eplus at 2. rewrite Rplus_0_r. exact Hle. }
  assert (T : escale (Df x + lam * Dh x) (KL k (P_lam x) (P x)) = Fin 0).
  { apply (esum_eq0 n (fun x => escale (Df x + lam * Dh x) (KL k (P_lam x) (P x)))); auto.
    intros y Hy. apply escale_nonneg.
    - pose proof (lamDh_nonneg y Hy). specialize (Df_nonneg y Hy). lra.
    - apply gibbs; auto using P_lam_kernel. }
  symmetry. apply (gibbs_equality k (P_lam x) (P x)); auto using P_lam_kernel.
  destruct (KL k (P_lam x) (P x)) as [y|].
  - simpl in T. injection T as T. apply Rmult_integral in T. f_equal. destruct T; lra.
  - rewrite escale_Inf in T by exact Hr. discriminate.
Qed.

(** δ and κ: P is within δ of every policy of its class, and the class comes within κ of the minimum.
    The infimum of the class need not be attained. *)
Theorem slack_of_class (class : (nat -> nat -> R) -> Prop) delta kappa P :
  (forall Q, class Q -> ele (objective P) (eplus (objective Q) (Fin delta))) ->
  (forall eta, 0 < eta -> exists Q, class Q /\
     ele (objective Q) (eplus (objective P_lam) (Fin (kappa + eta)))) ->
  within (delta + kappa) P.
Proof using All.
  intros HP Hclass. unfold within. destruct objective_P_lam_finite as [v Ev]. rewrite Ev in *.
  assert (L : forall eta, 0 < eta -> ele (objective P) (Fin (v + (delta + kappa) + eta))).
  { intros eta He. destruct (Hclass eta He) as [Q [HQ L]].
    apply ele_trans with (1 := HP Q HQ).
    replace (v + (delta + kappa) + eta) with (v + (kappa + eta) + delta) by ring.
    exact (eplus_le _ _ (Fin delta) (Fin delta) L (ele_refl _)). }
  destruct (objective P) as [o|]; [|exact (L 1 Rlt_0_1)]. simpl in *.
  destruct (Rle_lt_dec o (v + (delta + kappa))) as [|H]; [assumption|exfalso].
  specialize (L ((o - (v + (delta + kappa))) / 2)). lra.
Qed.

(** The engine of Theorem 2 and of the classifier bound: whatever policy one compares with. *)
Lemma within_comparator slack P Q :
  within slack P -> kernel n k Q -> ele (objective P) (eplus (objective Q) (Fin slack)).
Proof using All.
  intros HP HQ. apply ele_trans with (1 := HP). apply eplus_le; [|apply ele_refl].
  apply proposition0, HQ.
Qed.

Lemma capability_by_comparator slack P Q :
  within slack P -> kernel n k P -> kernel n k Q ->
  ele (gap n k Df muf P) (eplus (objective Q) (Fin slack)).
Proof using All.
  intros HP KP HQ. apply ele_trans with (objective P).
  - apply ele_plus_l, escale_nonneg; [assumption|]. apply gap_nonneg; auto.
  - apply within_comparator; assumption.
Qed.

Lemma P_lam_within : within 0 P_lam.
Proof using. unfold within. rewrite eplus_0_r. apply ele_refl. Qed.

End CaseOne.
