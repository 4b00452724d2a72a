(** * Theorems 1 and 2 at work on the problem

    The closed forms of every quantity and of every bound are proved here, and each theorem is applied,
    so that none of them is empty. *)
Require Import Reals Lra Lia List.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Monotone Theorem1 Theorem2
  ClassifierBound Information Theorem4 LowerEnds PriorShift Preference ExampleProblem.
Import ListNotations Names.
Open Scope R_scope.

(** ** Values of gaps *)
Example weight_entries : forall x, (x < 3)%nat -> w x = row ex_weight x.
Proof. intros x Hx. unfold weight, share. each x; entries; decide_signs; lra. Qed.

Example P_lam_entries : forall x y, (x < 3)%nat -> (y < 2)%nat -> P_opt x y = table ex_opt x y.
Proof.
  intros x y Hx Hy. unfold P_lam, mix. rewrite weight_entries by assumption.
  each x; each y; entries; lra.
Qed.

(** Sums written out, P_λ and w replaced by their entries, and then signs and logarithms *)
Ltac value :=
  unfold excess, objective, gap, expect, KL, TV, log_inverse; cbn [esum sum];
  rewrite ?P_lam_entries, ?weight_entries by lia; entries; closed_form.

Example value_safety_gap :
  gap 3 2 D mu P_opt = Fin (1/2 * ln (4/3) + 1/2 * (1/2 * ln (2/3) + 1/2 * ln (2))).
Proof. value. Qed.

Example value_proxy_gap :
  gap 3 2 Dh muh P_opt = Fin (3/4 * (1/6 * ln (2/3) + 5/6 * ln (10/9))).
Proof. value. Qed.

Example value_capability_gap :
  gap 3 2 Df muf P_opt = Fin (1/2 * (1/2 * ln (2) + 1/2 * ln (2/3))).
Proof. value. Qed.

Example value_objective :
  J P_opt = Fin (1/2 * (1/2 * ln (2) + 1/2 * ln (2/3))
                 + 2 * (3/4 * (1/6 * ln (2/3) + 5/6 * ln (10/9)))).
Proof. value. Qed.

Example value_excess_objective :
  J P = Fin (1/2 * (1/2 * ln (3/2) + 1/2 * ln (3/4)) + 1/2 * ln (4/3)
             + 2 * (3/4 * (1/6 * ln (1/2) + 5/6 * ln (5/4))
                    + 1/4 * (3/4 * ln (3/2) + 1/4 * ln (1/2)))).
Proof. value. Qed.

Example value_excess :
  excess 3 2 Df Dh muf muh lam P
  = Fin (2 * (1/4 * ln (3/4) + 3/4 * ln (9/8)) + 1/2 * (3/4 * ln (3/2) + 1/4 * ln (1/2))
         + 1/2 * ln (4/3)).
Proof. value. Qed.

(** ** The optimum and the slack *)
Example excess_identity_applies : J P = eplus (J P_opt) (excess 3 2 Df Dh muf muh lam P).
Proof. apply excess_identity; auto with tables. Qed.

Example proposition0_applies : ele (J P_opt) (J P).
Proof. apply proposition0; auto with tables. Qed.

(** All three prompts are reached here, so the optimum is the only one. *)
Example proposition0_unique_applies :
  forall Q, kernel 3 2 Q -> ele (J Q) (J P_opt) ->
  forall x y, (x < 3)%nat -> (y < 2)%nat -> Q x y = table ex_opt x y.
Proof.
  intros Q HQ HJ x y Hx Hy. rewrite <- P_lam_entries by assumption.
  apply (proposition0_unique 3 2); auto with tables. each x; entries; lra.
Qed.

(** The other policy's slack, by a class without a best policy: all entries positive. κ = 0, as
    1 - exp(-η) > 0 may stand where P_λ has 0, but no policy of the class attains the minimum. *)
Definition ex_slack : R :=
  2 * (1/4 * ln (3/4) + 3/4 * ln (9/8)) + 1/2 * (3/4 * ln (3/2) + 1/4 * ln (1/2)) + 1/2 * ln (4/3).

Definition ex_class (Q : nat -> nat -> R) : Prop :=
  kernel 3 2 Q /\ forall x y, (x < 3)%nat -> (y < 2)%nat -> 0 < Q x y.

Definition ex_near (eta : R) (x y : nat) : R :=
  match x, y with
  | 2%nat, 0%nat => exp (- eta)
  | 2%nat, _ => 1 - exp (- eta)
  | _, _ => table ex_opt x y
  end.

Lemma exp_neg_below_1 eta : 0 < eta -> 0 < exp (- eta) < 1.
Proof. split; [apply exp_pos|]. rewrite <- exp_0. apply exp_increasing. lra. Qed.

Lemma excess_near eta : 0 < eta -> excess 3 2 Df Dh muf muh lam (ex_near eta) = Fin (1/2 * eta).
Proof.
  intros H. pose proof (exp_neg_below_1 eta H) as He.
  unfold excess, gap, KL. cbn [esum]. rewrite !P_lam_entries by lia. cbn [ex_near]. entries.
  kl_terms. cbn [escale eplus]. apply f_equal.
  replace (ln (1 / exp (- eta))) with eta; [same_logs; lra|].
  rewrite ln_inverse, ln_exp by apply exp_pos. lra.
Qed.

Example slack_of_class_applies : within 3 2 Df Dh muf muh lam ex_slack P.
Proof.
  replace ex_slack with (ex_slack + 0) by ring.
  apply (slack_of_class 3 2 Df Dh muf muh lam) with (class := ex_class); auto with tables.
  - intros Q [HQ _]. rewrite (excess_identity 3 2 Df Dh muf muh lam), value_excess
      by auto with tables.
    apply eplus_le; [apply proposition0; auto with tables | apply ele_refl].
  - intros eta H. pose proof (exp_neg_below_1 eta H) as He. exists (ex_near eta). split.
    + split; [|intros x y Hx Hy; each x; each y; cbn [ex_near]; entries; lra].
      intros x Hx. each x; (split; [intros y Hy; each y|]); cbn [ex_near sum]; entries; lra.
    + rewrite (excess_identity 3 2 Df Dh muf muh lam), excess_near by auto with tables.
      apply eplus_le; [apply ele_refl | simpl; lra].
Qed.

Example infimum_not_attained : forall Q, ex_class Q -> ~ ele (J Q) (J P_opt).
Proof.
  intros Q [HQ Hpos] H. specialize (Hpos 2%nat 1%nat ltac:(lia) ltac:(lia)).
  rewrite (proposition0_unique_applies Q HQ H) in Hpos by lia. revert Hpos. entries. lra.
Qed.

(** ** Theorem 1 *)
Example A1_applies :
  (forall x, (x < 3)%nat -> 0 < D x \/ 0 < Dh x -> ele (KL 2 (mu x) (P_opt x)) (Fin ex_B)) /\
  (forall x y, (x < 3)%nat -> (y < 2)%nat -> 0 < Dh x -> Rabs (ln (muh x y / P_opt x y)) <= ex_C).
Proof.
  assert (L : 0 < ln (4/3)) by (rewrite <- ln_1; apply ln_increasing; lra).
  assert (L' : 0 < ln (3/2)) by (rewrite <- ln_1; apply ln_increasing; lra).
  assert (E : ln (2/3) = - ln (3/2)) by (rewrite <- ln_inverse by lra; f_equal; lra).
  split; [intros x Hx H | intros x y Hx Hy H].
  - unfold KL. cbn [esum]. rewrite !P_lam_entries by lia.
    each x; revert H; entries; intros H; kl_terms; simpl; [ | | lra].
    + replace (1 / (3/4)) with (4/3) by lra. lra.
    + rewrite ln_div in L by lra. rewrite !ln_div, ln_1 by lra.
      replace 4 with (2 * 2) in * by lra. rewrite ln_mult in * by lra. lra.
  - rewrite P_lam_entries by lia.
    each x; each y; revert H; entries; intros H; try (exfalso; lra);
      unfold Rabs; destruct (Rcase_abs _).
    all: try (apply Ropp_le_cancel; rewrite Ropp_involutive, <- E; apply ln_le; lra).
    all: apply ln_le; lra.
Qed.

(** Neither B nor C can be less. *)
Example A1_least :
  KL 2 (mu 0%nat) (P_opt 0%nat) = Fin ex_B /\ Rabs (ln (muh 0 0 / P_opt 0 0)) = ex_C.
Proof.
  assert (L : 0 < ln (3/2)) by (rewrite <- ln_1; apply ln_increasing; lra). split; [value|].
  rewrite P_lam_entries by lia. entries.
  rewrite Rabs_left; rewrite <- (Ropp_involutive (ln (_ / _))), <- ln_inverse by lra;
    replace (1 / (1/6 / (1/4))) with (3/2) by field; lra.
Qed.

Definition ex_a (x : nat) : R := sum 2 (fun y => mu x y * ln (mu x y / P_opt x y)).
Definition ex_b (x : nat) : R := sum 2 (fun y => muh x y * ln (muh x y / P_opt x y)).

Lemma divergences_apply : divergences 3 2 D Dh mu muh P_opt ex_a ex_b.
Proof.
  split; intros x Hx H; apply KL_finite; try apply (mu_kernel x Hx); try apply (muh_kernel x Hx);
    intros y Hy; rewrite P_lam_entries by assumption;
    each x; each y; revert H; entries; intros; lra.
Qed.

Ltac shift := unfold prompt_shift, response_shift, ex_a, ex_b; value.

Example value_prompt_shift :
  prompt_shift 3 D Dh ex_a = - 1/4 * ln (4/3) + 1/4 * (1/2 * ln (2/3) + 1/2 * ln (2)).
Proof. shift. Qed.

Example value_response_shift :
  response_shift 3 Dh ex_a ex_b
  = 3/4 * (ln (4/3) - 1/6 * ln (2/3) - 5/6 * ln (10/9)) + 1/4 * (1/2 * ln (2/3) + 1/2 * ln (2)).
Proof. shift. Qed.

Local Notation E_response_C :=
  (expect 3 Dh (fun x => eplus (KL 2 (mu x) (muh x)) (Fin (2 * ex_C * TV 2 (mu x) (muh x))))).

Example value_theorem1_paper :
  eplus (eplus (gap 3 2 Dh muh P_opt) (Fin (ex_B * TV 3 D Dh))) E_response_C
  = Fin (3/4 * (1/6 * ln (2/3) + 5/6 * ln (10/9)) + 1/4 * ln (4/3)
         + 3/4 * (ln (6/5) + 1/3 * ln (3/2))
         + 1/4 * (1/2 * ln (2/3) + 1/2 * ln (2) + 1/2 * ln (3/2))).
Proof. value. Qed.

Example value_theorem1_refined :
  eplus (expect 3 D (fun x => KL 2 (mu x) (muh x))) (expect 3 D (fun x => log_inverse (1 - w x)))
  = Fin (1/2 * ln (6/5) + 1/2 * (1/2 * ln (2/3) + 1/2 * ln (2)) + 1/2 * ln (4/3)).
Proof. value. Qed.

Example theorem1_decomposition_applies :
  exists gs m gp,
    gap 3 2 D mu P_opt = Fin gs /\ gap 3 2 Dh mu P_opt = Fin m /\ gap 3 2 Dh muh P_opt = Fin gp /\
    prompt_shift 3 D Dh ex_a = gs - m /\ response_shift 3 Dh ex_a ex_b = m - gp /\
    gs = gp + prompt_shift 3 D Dh ex_a + response_shift 3 Dh ex_a ex_b.
Proof. apply theorem1_decomposition; auto using divergences_apply with tables. Qed.

Example theorem1_shifts_bounded_applies :
  prompt_shift 3 D Dh ex_a <= ex_B * TV 3 D Dh /\
  ele (Fin (response_shift 3 Dh ex_a ex_b)) E_response_C.
Proof.
  destruct A1_applies as [HB HC].
  apply (theorem1_shifts_bounded 3 2 D Dh mu muh P_opt); auto using divergences_apply with tables.
  intros x Hx H. apply HB; [exact Hx|]. left. pose proof (Dh_nonneg x Hx). lra.
Qed.

Example theorem1_paper_applies :
  ele (gap 3 2 D mu P_opt)
      (eplus (eplus (gap 3 2 Dh muh P_opt) (Fin (ex_B * TV 3 D Dh))) E_response_C).
Proof.
  destruct A1_applies as [HB HC]. apply theorem1_paper; auto with tables.
  intros x Hx H. apply HB; [exact Hx|]. left. pose proof (Dh_nonneg x Hx). lra.
Qed.

Example theorem1_refined_applies :
  ele (gap 3 2 D mu P_opt)
      (eplus (expect 3 D (fun x => KL 2 (mu x) (muh x)))
             (expect 3 D (fun x => log_inverse (1 - w x)))).
Proof. apply theorem1_refined; auto with tables. Qed.

(** ** Theorem 2 *)
Local Notation within_slack := slack_of_class_applies.
Local Notation S_proxy := (proxy_divergence 3 2 Df Dh muf muh).
Local Notation S_capability := (capability_divergence 3 2 Df Dh muf muh).

Example value_theorem2_a : escale lam S_proxy = Fin (2 * (3/4 * (1/6 * ln (1/3) + 5/6 * ln (5/3)))).
Proof. unfold proxy_divergence. value. Qed.

Example value_theorem2_b : S_capability = Fin (1/2 * (1/2 * ln (3) + 1/2 * ln (3/5))).
Proof. unfold capability_divergence. value. Qed.

Example value_theorem2_c : expect 3 Df (fun x => log_inverse (w x)) = Fin (1/2 * ln (4)).
Proof. value. Qed.

Example value_theorem2_d :
  (1 + lam) * cmi 3 2 p = 1/2 * (1/2 * ln (2) + 1/2 * ln (2/3))
                          + 2 * (3/4 * (1/6 * ln (2/3) + 5/6 * ln (10/9))).
Proof. unfold cmi, p_x, p_xy, p_zx, sum2. value. Qed.

Example value_proxy_side_a : S_proxy = Fin (3/4 * (1/6 * ln (1/3) + 5/6 * ln (5/3))).
Proof. unfold proxy_divergence. value. Qed.

Example value_proxy_side_b :
  escale (1 / lam) S_capability = Fin (1/2 * (1/2 * (1/2 * ln (3) + 1/2 * ln (3/5)))).
Proof. unfold capability_divergence. value. Qed.

Example value_proxy_side_c :
  expect 3 Dh (fun x => log_inverse (1 - w x)) = Fin (3/4 * ln (4/3)).
Proof. value. Qed.

(** At P_λ, and with slack at the other policy *)
Example theorem2_refined_applies :
  ele (gap 3 2 Df muf P_opt)
      (emin (emin (escale lam S_proxy) S_capability)
            (emin (expect 3 Df (fun x => log_inverse (w x))) (J P_opt))).
Proof. apply theorem2_refined; auto with tables. Qed.

Example theorem2_a_applies : ele (gap 3 2 Df muf P) (eplus (escale lam S_proxy) (Fin ex_slack)).
Proof. apply theorem2_a; auto using within_slack with tables. Qed.

Example theorem2_b_applies : ele (gap 3 2 Df muf P) (eplus S_capability (Fin ex_slack)).
Proof. apply (theorem2_b 3 2 Df Dh muf muh lam); auto using within_slack with tables. Qed.

(** At λ = 2 the optimum costs the proxy no more than at λ = 1, and the capability data no less. *)
Example monotone_in_penalty_applies :
  ele (gap 3 2 Dh muh P_opt) (gap 3 2 Dh muh (P_lam Df Dh muf muh 1)) /\
  ele (gap 3 2 Df muf (P_lam Df Dh muf muh 1)) (gap 3 2 Df muf P_opt).
Proof. apply monotone_in_penalty; auto with tables. unfold ex_lam. lra. Qed.

(** D and D̂ differ by a quarter on the first prompt, so by a quarter at least in total variation. *)
Example TV_of_an_event : 3/4 <= 1/2 + TV 3 Dh D.
Proof.
  pose proof (TV_range 3 Dh D (fun x => match x with 0%nat => 1 | _ => 0 end) 0 1 Dh_dist D_dist) as H.
  revert H. cbn [sum]. entries. intros H.
  assert (B : forall x, (x < 3)%nat -> 0 <= match x with 0%nat => 1 | _ => 0 end <= 1)
    by (intros [|x] _; lra).
  specialize (H (fun x Hx _ => B x Hx)). lra.
Qed.

Example theorem2_c_applies : ele (gap 3 2 Df muf P_opt) (expect 3 Df (fun x => log_inverse (w x))).
Proof. apply theorem2_c; auto with tables. Qed.

Example theorem2_d_applies : ele (gap 3 2 Df muf P) (eplus (J P_opt) (Fin ex_slack)).
Proof. apply theorem2_d; auto using within_slack with tables. Qed.

Example theorem2_refined_slack_applies :
  ele (gap 3 2 Df muf P)
      (eplus (emin (emin (escale lam S_proxy) S_capability) (J P_opt)) (Fin ex_slack)).
Proof. apply theorem2_refined_slack; auto using within_slack with tables. Qed.

Example theorem2_proxy_side_applies :
  ele (gap 3 2 Dh muh P_opt)
      (emin (emin S_proxy (escale (1 / lam) S_capability))
            (expect 3 Dh (fun x => log_inverse (1 - w x)))).
Proof. apply theorem2_proxy_side; auto with tables. Qed.

(** D_f(O)/λ = 1/4 *)
Example theorem2_c_le_overlap_applies :
  ele (expect 3 Dh (fun x => log_inverse (1 - w x))) (Fin (1/4)).
Proof.
  replace (1/4) with (sum 3 (fun x => if Rlt_dec 0 (Dh x) then Df x else 0) / lam).
  - apply theorem2_c_le_overlap; auto with tables.
  - cbn [sum]. entries. decide_signs. lra.
Qed.
