(** * Needed: without a hypothesis, an example that makes the statement false

    Each example keeps all hypotheses of a theorem but one, and shows that the conclusion fails.
    Most live on a single prompt with two responses that the sources answer in opposite ways,
    μ_f = (1, 0) and μ̂ = (0, 1) with λ = 1, where P_λ = (½, ½). *)
Require Import Reals Lra Lia FunctionalExtensionality.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Theorem1 Theorem2
  ClassifierBound Information Theorem4 LowerEnds Preference Calculus Theorem3 LinearSoftmax
  ExampleProblem Examples ExamplesBall ExamplesHead.
Open Scope R_scope.

(** ** Small problems *)
Definition one (x : nat) : R := 1.
Definition two (u v : R) (j : nat) : R := match j with 0%nat => u | _ => v end.
Definition always (f : nat -> R) (x : nat) : nat -> R := f.

(** On the first prompt f, on the others g *)
Definition first (f g : nat -> R) (x : nat) : nat -> R := match x with 0%nat => f | _ => g end.

Local Notation yes := (two 1 0).
Local Notation no := (two 0 1).
Local Notation half := (two (1/2) (1/2)).

Lemma two_dist u v : 0 <= u -> 0 <= v -> u + v = 1 -> dist 2 (two u v).
Proof. intros Hu Hv H. split; [intros [|j] _; assumption | simpl; lra]. Qed.

Lemma always_kernel n k f : dist k f -> kernel n k (always f).
Proof. intros H x _. exact H. Qed.

Lemma first_kernel n k f g : dist k f -> dist k g -> kernel n k (first f g).
Proof. intros Hf Hg [|x] _; assumption. Qed.

Lemma one_dist : dist 1 one.
Proof. split; [intros x _|simpl]; unfold one; lra. Qed.

Lemma ln2_pos : 0 < ln 2.
Proof. rewrite <- ln_1. apply ln_increasing; lra. Qed.

(** What Coq's total functions make of log 1/0 *)
Lemma ln_of_1_over_0 : ln (1 / 0) = 0.
Proof.
  unfold Rdiv. rewrite Rinv_0, Rmult_0_r. unfold ln.
  destruct (Rlt_dec 0 0); [exfalso; lra | reflexivity].
Qed.

Ltac kernels := repeat (apply always_kernel || apply first_kernel || apply two_dist); try lra.

Ltac plain := unfold one, always; cbn [esum sum two first joint].

(** Sums written out and signs decided, until logarithms of numbers are left *)
Ltac evaluate :=
  unfold proxy_divergence, capability_divergence, objective, gap, expect, KL, TV, log_inverse,
    P_lam, weight, share, mix; plain;
  unfold Rabs; decide_signs; kl_terms; cbn [escale eplus]; decide_signs; cbn [escale eplus].

Ltac evaluated := evaluate; try apply f_equal; same_logs; lra.

(** ** Divergences need +∞ *)
Definition KL_real (k : nat) (p q : nat -> R) : R := sum k (fun j => p j * ln (p j / q j)).
Definition gap_real (n k : nat) (D : nat -> R) (mu P : nat -> nat -> R) : R :=
  sum n (fun x => D x * KL_real k (mu x) (P x)).

(** Theorem 2 (a) where μ_f does not reach what μ̂ does: with Coq's total log and division its right
    side is 1 · log(1/0) = 0, below G_f(P_λ) = log 2; in the extended reals it is +∞. *)
Example theorem2_a_needs_infinity :
  ~ (gap_real 1 2 one (always yes) (P_lam one one (always yes) (always no) 1)
     <= 1 * gap_real 1 2 one (always no) (always yes)) /\
  proxy_divergence 1 2 one one (always yes) (always no) = Inf.
Proof.
  split; [|evaluate; reflexivity].
  unfold gap_real, KL_real, P_lam, weight, share, mix. plain. decide_signs. rewrite ln_of_1_over_0.
  replace (ln (1 / _)) with (ln 2) by (f_equal; lra). pose proof ln2_pos. lra.
Qed.

(** ** Gibbs' inequality needs weights that sum to 1, *)
Example gibbs_needs_first_total :
  exists p q, nonneg 1 p /\ dist 1 q /\ ~ ele (Fin 0) (KL 1 p q).
Proof.
  exists (fun _ => 1/2), one. split; [intros j _; lra|]. split; [apply one_dist|].
  replace (KL 1 (fun _ => 1/2) one) with (Fin (- (1/2) * ln 2)).
  - simpl. pose proof ln2_pos. lra.
  - unfold KL. plain. kl_terms. simpl. f_equal. replace (1/2 / 1) with (1/2) by field.
    rewrite (ln_inverse 2) by lra. lra.
Qed.

(** both of them. *)
Example gibbs_needs_second_total :
  exists p q, dist 1 p /\ nonneg 1 q /\ ~ ele (Fin 0) (KL 1 p q).
Proof.
  exists one, (fun _ => 2). split; [apply one_dist|]. split; [intros j _; lra|].
  replace (KL 1 one (fun _ => 2)) with (Fin (- ln 2)).
  - simpl. pose proof ln2_pos. lra.
  - unfold KL. plain. kl_terms. simpl. f_equal. rewrite (ln_inverse 2) by lra. lra.
Qed.

(** ** Proposition 0 *)

(** P = (1, 1) does not sum to 1 and is below the minimum. *)
Example proposition0_needs_kernel :
  exists P, (forall x, nonneg 2 (P x)) /\
  ~ ele (objective 1 2 one one (always half) (always half) 1
           (P_lam one one (always half) (always half) 1))
        (objective 1 2 one one (always half) (always half) 1 P).
Proof.
  exists (always (two 1 1)). split; [intros x [|j] _; unfold always; simpl; lra|].
  replace (objective _ _ _ _ _ _ _ (P_lam _ _ _ _ _)) with (Fin 0) by (symmetry; evaluated).
  replace (objective _ _ _ _ _ _ _ _) with (Fin (2 * ln (1/2))) by (symmetry; evaluated).
  simpl. rewrite (ln_inverse 2) by lra. pose proof ln2_pos. lra.
Qed.

(** On a prompt that neither source reaches the optimum is not unique. *)
Example proposition0_unique_needs_reached :
  exists P, kernel 2 2 P /\
  ele (objective 2 2 yes yes (always half) (always half) 1 P)
      (objective 2 2 yes yes (always half) (always half) 1
         (P_lam yes yes (always half) (always half) 1)) /\
  P 1%nat 0%nat <> P_lam yes yes (always half) (always half) 1 1 0.
Proof.
  exists (first half yes). split; [kernels|]. split.
  - replace (objective _ _ _ _ _ _ _ (P_lam _ _ _ _ _)) with (Fin 0) by (symmetry; evaluated).
    apply ele_eq. evaluated.
  - unfold P_lam, weight, share, mix. plain. decide_signs. lra.
Qed.

(** ** Theorem 2 *)

(** (c) takes no slack: P = (¼, ¾) has slack log 4/3, and log 4 > log 2 + log 4/3. *)
Example theorem2_c_needs_no_slack :
  exists P slack,
    kernel 1 2 P /\ within 1 2 one one (always yes) (always no) 1 slack P /\
    ~ ele (gap 1 2 one (always yes) P)
          (eplus (expect 1 one (fun x => log_inverse (weight one one 1 x))) (Fin slack)).
Proof.
  exists (always (two (1/4) (3/4))), (ln (4/3)). split; [kernels|].
  assert (E : ln 4 = ln 2 + ln 2) by (rewrite <- ln_mult by lra; f_equal; lra).
  assert (L : ln (4/3) < ln 2) by (apply ln_increasing; lra). split.
  - unfold within.
    replace (objective _ _ _ _ _ _ _ (P_lam _ _ _ _ _)) with (Fin (2 * ln 2))
      by (symmetry; evaluated).
    replace (objective _ _ _ _ _ _ _ _) with (Fin (ln 4 + ln (4/3))) by (symmetry; evaluated).
    simpl. lra.
  - replace (gap _ _ _ _ _) with (Fin (ln 4)) by (symmetry; evaluated).
    replace (expect _ _ _) with (Fin (ln 2)) by (symmetry; evaluated). simpl. lra.
Qed.

(** (a), (b) and (d) hold for no slack at a policy that is not within it: here all three right sides
    are the slack, and P = (0, 1) rules out what μ_f gives. *)
Example theorem2_needs_within :
  exists P, kernel 1 2 P /\ forall slack,
    let muf := always half in let G_f := gap 1 2 one muf P in
    ~ ele G_f (eplus (escale 1 (proxy_divergence 1 2 one one muf muf)) (Fin slack)) /\
    ~ ele G_f (eplus (capability_divergence 1 2 one one muf muf) (Fin slack)) /\
    ~ ele G_f (eplus (objective 1 2 one one muf muf 1 (P_lam one one muf muf 1)) (Fin slack)).
Proof.
  exists (always no). split; [kernels|]. intros slack muf G_f. unfold muf in *.
  replace G_f with Inf by (unfold G_f; evaluate; reflexivity).
  replace (proxy_divergence _ _ _ _ _ _) with (Fin 0) by (symmetry; evaluated).
  replace (capability_divergence _ _ _ _ _ _) with (Fin 0) by (symmetry; evaluated).
  replace (objective _ _ _ _ _ _ _ _) with (Fin 0) by (symmetry; evaluated).
  simpl. tauto.
Qed.

(** ** Theorem 1 *)

(** No B serves all policies: D moves to a prompt that the proxy does not see, μ = μ̂, and C = 0. *)
Example theorem1_paper_needs_B :
  forall B, exists P, kernel 2 2 P /\
  (forall x j, (x < 2)%nat -> (j < 2)%nat -> 0 < yes x -> 0 < always yes x j -> 0 < P x j ->
     Rabs (ln (always yes x j / P x j)) <= 0) /\
  ~ ele (gap 2 2 no (always yes) P)
        (eplus (eplus (gap 2 2 yes (always yes) P) (Fin (B * TV 2 no yes)))
               (expect 2 yes (fun x => eplus (KL 2 (always yes x) (always yes x))
                                             (Fin (2 * 0 * TV 2 (always yes x) (always yes x)))))).
Proof.
  intros B. assert (H : 0 < Rabs B + 1) by (pose proof (Rabs_pos B); lra).
  pose proof (exp_neg_below_1 _ H) as He. set (e := exp (- (Rabs B + 1))) in *.
  assert (E : ln (1 / e) = Rabs B + 1).
  { rewrite ln_inverse by lra. unfold e. rewrite ln_exp. ring. }
  exists (first yes (two e (1 - e))). split; [kernels|]. split.
  - intros x j Hx Hj. each x; each j; plain; intros; try (exfalso; lra).
    replace (1 / 1) with 1 by field. rewrite ln_1, Rabs_R0. lra.
  - replace (gap 2 2 no _ _) with (Fin (Rabs B + 1)) by (rewrite <- E; symmetry; evaluated).
    replace (gap 2 2 yes _ _) with (Fin 0) by (symmetry; evaluated).
    replace (expect _ _ _) with (Fin 0) by (symmetry; evaluated).
    replace (TV 2 no yes) with 1 by (unfold TV; plain; unfold Rabs; decide_signs; lra).
    simpl. pose proof (Rle_abs B). lra.
Qed.

(** No C serves all policies: μ = (1, 0), μ̂ = (½, ½), and B does not matter as D = D̂. *)
Example theorem1_paper_needs_C :
  forall C, exists P, kernel 1 2 P /\
  (forall x, (x < 1)%nat -> one x < one x -> ele (KL 2 (always yes x) (P x)) (Fin 0)) /\
  ~ ele (gap 1 2 one (always yes) P)
        (eplus (eplus (gap 1 2 one (always half) P) (Fin (0 * TV 1 one one)))
               (expect 1 one (fun x => eplus (KL 2 (always yes x) (always half x))
                                             (Fin (2 * C * TV 2 (always yes x) (always half x)))))).
Proof.
  intros C. set (u := exp (2 * Rabs C + 1)). assert (Hu : 0 < u) by apply exp_pos.
  set (e := 1 / (1 + u)). assert (He : 0 < e < 1).
  { split; [apply Rdiv_lt_0_compat; lra|]. apply (Rmult_lt_reg_r (1 + u)); [lra|].
    unfold e. replace (1 / (1 + u) * (1 + u)) with 1 by (field; lra). lra. }
  assert (E : ln ((1 - e) / e) = 2 * Rabs C + 1).
  { replace ((1 - e) / e) with u by (unfold e; field; lra). apply ln_exp. }
  rewrite ln_div in E by lra.
  exists (always (two e (1 - e))). split; [kernels|]. split; [intros; exfalso; lra|].
  replace (gap 1 2 one (always yes) _) with (Fin (ln (1 / e))) by (symmetry; evaluated).
  replace (gap 1 2 one (always half) _)
    with (Fin (1/2 * ln (1/2 / e) + 1/2 * ln (1/2 / (1 - e)))) by (symmetry; evaluated).
  replace (expect _ _ _) with (Fin (ln (1 / (1/2)) + C)) by (symmetry; evaluated).
  simpl. rewrite !ln_div, ln_1 by lra. pose proof (Rle_abs C). lra.
Qed.

(** The refined form speaks of P_λ alone and takes no slack: with μ = μ̂, at P = (¾, ¼), which is
    within log 4/3 of the minimum, G_s(P) = log 4 > log 2 + log 4/3. *)
Example theorem1_refined_needs_P_lam :
  exists P slack,
    kernel 1 2 P /\ within 1 2 one one (always yes) (always no) 1 slack P /\
    ~ ele (gap 1 2 one (always no) P)
          (eplus (eplus (expect 1 one (fun x => KL 2 (always no x) (always no x)))
                        (expect 1 one (fun x => log_inverse (1 - weight one one 1 x))))
                 (Fin slack)).
Proof.
  exists (always (two (3/4) (1/4))), (ln (4/3)). split; [kernels|].
  assert (E : ln 4 = ln 2 + ln 2) by (rewrite <- ln_mult by lra; f_equal; lra).
  assert (L : ln (4/3) < ln 2) by (apply ln_increasing; lra). split.
  - unfold within.
    replace (objective _ _ _ _ _ _ _ (P_lam _ _ _ _ _)) with (Fin (2 * ln 2))
      by (symmetry; evaluated).
    replace (objective _ _ _ _ _ _ _ _) with (Fin (ln 4 + ln (4/3))) by (symmetry; evaluated).
    simpl. lra.
  - replace (gap _ _ _ _ _) with (Fin (ln 4)) by (symmetry; evaluated).
    replace (expect _ _ (fun x => KL _ _ _)) with (Fin 0) by (symmetry; evaluated).
    replace (expect _ _ _) with (Fin (ln 2)) by (symmetry; evaluated). simpl. lra.
Qed.

(** Nor does any part of 2C: with μ = (1, 0), μ̂ = (⅔, ⅓) and P = (⅓, ⅔) the log-ratios are ±C = ±log 2,
    and log 3 = ⅓ log 2 + log 3/2 + 2 C TV is an equality. *)
Example theorem1_paper_needs_all_of_C :
  let mu := always yes in let muh := always (two (2/3) (1/3)) in let P := always (two (1/3) (2/3)) in
  (forall j, (j < 2)%nat -> Rabs (ln (muh 0%nat j / P 0%nat j)) <= ln 2) /\
  ~ ele (gap 1 2 one mu P)
        (eplus (gap 1 2 one muh P)
               (Fin (sum 2 (fun j => mu 0%nat j * ln (mu 0%nat j / muh 0%nat j))
                     + 1 * ln 2 * TV 2 (mu 0%nat) (muh 0%nat)))).
Proof.
  intros mu muh P. pose proof ln2_pos as L. unfold mu, muh, P, always. split.
  - intros [|[|j]] Hj; cbn [two]; [| |lia].
    + replace (2/3 / (1/3)) with 2 by field. rewrite Rabs_pos_eq; lra.
    + replace (1/3 / (2/3)) with (/ 2) by field. rewrite ln_Rinv, Rabs_Ropp, Rabs_pos_eq; lra.
  - replace (gap 1 2 one (fun _ => yes) (fun _ => two (1/3) (2/3))) with (Fin (ln 3))
      by (symmetry; evaluated).
    replace (gap 1 2 one (fun _ => two (2/3) (1/3)) (fun _ => two (1/3) (2/3)))
      with (Fin (2/3 * ln 2 + 1/3 * ln (1/2))) by (symmetry; evaluated).
    assert (T : TV 2 yes (two (2/3) (1/3)) = 1/3).
    { unfold TV. cbn [sum two]. unfold Rabs. decide_signs. lra. }
    rewrite T. cbn [sum two]. replace (1 / (2/3)) with (3/2) by field.
    rewrite !ln_div, ln_1 by lra. simpl. lra.
Qed.

(** Nor is less than log(1+λ) enough where responses exclude each other: there G_f(P_λ) is all of it. *)
Example trivial_capability_needs_all_of_it :
  forall c, c < ln 2 ->
  ~ ele (gap 1 2 one (always yes) (P_lam one one (always yes) (always no) 1)) (Fin c).
Proof.
  intros c Hc. replace (gap _ _ _ _ _) with (Fin (ln 2)) by (symmetry; evaluated). simpl. lra.
Qed.

(** ** What is known without data needs prompts that are distributions *)

(** D̂ of mass 4: P_λ = (1/5, 4/5), and log 5 > log 2. *)
Example trivial_capability_needs_Dh_total :
  exists Dh, nonneg 1 Dh /\
  ~ ele (gap 1 2 one (always yes) (P_lam one Dh (always yes) (always no) 1)) (Fin (ln (1 + 1))).
Proof.
  exists (fun _ => 4). split; [intros x _; lra|].
  replace (gap _ _ _ _ _) with (Fin (ln 5)) by (symmetry; evaluated).
  simpl. apply Rlt_not_le, ln_increasing; lra.
Qed.

(** D_f of mass 4: 4 log 5/4 = log 625/256 > log 2. *)
Example trivial_capability_needs_Df_total :
  exists Df, nonneg 1 Df /\
  ~ ele (gap 1 2 Df (always yes) (P_lam Df one (always yes) (always no) 1)) (Fin (ln (1 + 1))).
Proof.
  exists (fun _ => 4). split; [intros x _; lra|].
  replace (gap _ _ _ _ _) with (Fin (4 * ln (5/4))) by (symmetry; evaluated).
  assert (E : 4 * ln (5/4) = ln (25/16 * (25/16))).
  { replace (25/16) with (5/4 * (5/4)) by field. rewrite !ln_mult by lra. ring. }
  simpl. rewrite E. apply Rlt_not_le, ln_increasing; lra.
Qed.

(** A classifier below 0, where the capability data do not come, would earn a reward. *)
Example classifier_capability_needs_nonneg :
  exists q, ~ ele (gap 2 2 yes (always yes) (P_lam yes no (always yes) (always no) 1))
                  (capability_loss 2 yes no 1 q).
Proof.
  exists (two 1 (-5)). unfold capability_loss.
  replace (gap _ _ _ _ _) with (Fin 0) by (symmetry; evaluated).
  replace (expect _ _ _) with (Fin 0) by (symmetry; evaluated). simpl. lra.
Qed.

(** ** Theorem 4 *)

(** In place of the cross-entropy nothing below H(Z|X,Y) serves, on any problem. *)
Example theorem4_lower_needs_cross_entropy :
  forall n k Df Dh muf muh lam c,
  nonneg n Df -> nonneg n Dh -> kernel n k muf -> kernel n k muh -> 0 <= lam ->
  let p := joint Df Dh muf muh lam in
  c < H_Z_XY n k p ->
  ~ ele (Fin ((1 + lam) * (H_Z_X n k p - c)))
        (objective n k Df Dh muf muh lam (P_lam Df Dh muf muh lam)).
Proof.
  intros n k Df Dh muf muh lam c Nf Nh Kf Kh Hl p Hc.
  rewrite theorem4_entropies by assumption. fold p. simpl.
  apply Rlt_not_le, Rmult_lt_compat_l; lra.
Qed.

(** A classifier that is sure of the wrong source has no cross-entropy: with one response in all,
    its junk value log(1/0) = 0 would give the lower end 2 log 2 of a minimum that is 0. *)
Example theorem4_lower_needs_classifier :
  exists s, (forall x y, 0 <= s x y <= 1) /\
  let D := one in let mu := always one in let p := joint D D mu mu 1 in
  ~ classifier 1 1 p s /\
  ~ ele (Fin ((1 + 1) * (H_Z_X 1 1 p - cross_entropy 1 1 p s)))
        (objective 1 1 D D mu mu 1 (P_lam D D mu mu 1)).
Proof.
  exists (fun _ _ => 0). split; [intros; lra|]. cbv zeta. split.
  - intros H. destruct (H 0%nat 0%nat) as [_ [H0 _]]; [lia..|].
    unfold joint, one, always in H0. lra.
  - replace (objective _ _ _ _ _ _ _ _) with (Fin 0) by (symmetry; evaluated).
    replace (H_Z_X _ _ _) with (ln 2).
    + replace (cross_entropy _ _ _ _) with 0; [simpl; pose proof ln2_pos; lra|].
      unfold cross_entropy, sum2. plain. rewrite ln_of_1_over_0.
      replace (ln (1 / (1 - 0))) with 0; [lra|].
      replace (1 / (1 - 0)) with 1 by field. symmetry. apply ln_1.
    + transitivity (- ln (1 / 2)); [rewrite ln_inverse by lra; ring|].
      symmetry. unfold H_Z_X, p_x, p_zx. plain. same_logs. lra.
Qed.

(** At λ = 0 no proxy row is drawn and log(1-r), log(1-a) are junk: the gap is +∞, and no number. *)
Example theorem4_proxy_gap_needs_penalty :
  let p := joint one one (always yes) (always no) 0 in
  let Gh := gap 1 2 one (always no) (P_lam one one (always yes) (always no) 0) in
  Gh = Inf /\
  Gh <> Fin (sum2 1 2 (fun x y => one x * always no x y *
               (ln (1 - pair_posterior p x y) - ln (1 - prompt_posterior 2 p x)))).
Proof.
  intros p Gh. assert (E : Gh = Inf) by (unfold Gh; evaluate; reflexivity).
  split; [exact E|]. rewrite E. discriminate.
Qed.

(** ** Preference fine-tuning *)

(** Without the supremum any amount may be lost, all policies positive. *)
Example preference_needs_supremum :
  forall rmax, exists P,
  (forall x j, 0 < P x j) /\ kernel 1 2 P /\
  ~ ele (gap 1 2 one (always yes) P)
        (eplus (gap 1 2 one (always yes) (always half)) (Fin (rmax / 1))).
Proof.
  intros r. assert (H : 0 < Rabs r + 1) by (pose proof (Rabs_pos r); lra).
  pose proof (exp_neg_below_1 _ H) as He. set (e := exp (- (Rabs r + 1))) in *.
  assert (E : ln e = - (Rabs r + 1)) by apply ln_exp.
  exists (always (two (e / 2) (1 - e / 2))).
  split; [intros x [|j]; unfold always; simpl; lra|]. split; [kernels|].
  replace (gap 1 2 one _ (always half)) with (Fin (ln 2)) by (symmetry; evaluated).
  replace (gap _ _ _ _ _) with (Fin (ln (1 / (e / 2)))) by (symmetry; evaluated).
  simpl. rewrite !ln_div, ln_1, E by lra. pose proof (Rle_abs r). lra.
Qed.

(** Where the reference rules out what the data give, the identity would read a number = ∞. *)
Example preference_identity_needs_positive :
  exists P Pref, kernel 1 2 P /\ kernel 1 2 Pref /\
  gap 1 2 one (always yes) P
  <> eplus (gap 1 2 one (always yes) Pref) (Fin (log_ratio 1 2 one (always yes) P Pref)).
Proof.
  exists (always half), (always no). split; [kernels|]. split; [kernels|].
  replace (gap 1 2 one _ (always half)) with (Fin (ln 2)) by (symmetry; evaluated).
  replace (gap _ _ _ _ _) with Inf by (symmetry; evaluate; reflexivity). discriminate.
Qed.
