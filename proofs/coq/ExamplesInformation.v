(** * The classifier bound, Theorem 4 and preferences at work on the problem *)
Require Import Reals Lra Lia List.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Theorem1 Theorem2
  ClassifierBound Information Theorem4 LowerEnds PriorShift Preference
  ExampleProblem Examples.
Import ListNotations Names.
Open Scope R_scope.

(** ** The classifier bound *)
Local Notation within_slack := slack_of_class_applies.
Local Notation loss_total := (total_loss 3 Df Dh lam q).
Local Notation loss_capability := (capability_loss 3 Df Dh lam q).
Local Notation loss_proxy := (proxy_loss 3 Df Dh lam q).

Ltac loss := unfold total_loss, capability_loss, proxy_loss; value.

Example value_classifier_total :
  loss_total = Fin (1/2 * ln (3) + 1/2 * ln (4/3) + 2 * (3/4 * ln (3/2) + 1/4 * ln (5/4))).
Proof. loss. Qed.

Example value_classifier_capability :
  loss_capability = Fin (1/2 * (ln (3) + 1/3 - 1) + 1/2 * (ln (4/3) + 3/4 - 1)
                         + 2 * (3/4 * (1/3) + 1/4 * (1/5))).
Proof. loss. Qed.

Example value_classifier_proxy :
  loss_proxy = Fin (3/4 * (ln (3/2) - 1/3) + 1/4 * (ln (5/4) - 1/5)
                    + 1/2 * (1/2 * (2/3) + 1/2 * (1/4))).
Proof. loss. Qed.

Example value_trivial_total : ln (1 + lam) + lam * ln (1 + 1 / lam) = ln (3) + 2 * ln (3/2).
Proof. value. Qed.

Example value_trivial_capability : ln (1 + lam) = ln (3).
Proof. value. Qed.

Example value_trivial_proxy : ln (1 + 1 / lam) = ln (3/2).
Proof. value. Qed.

Lemma q_inside x : (x < 3)%nat -> 0 <= q x <= 1.
Proof. intros Hx. each x; entries; lra. Qed.

Example classifier_total_applies :
  ele (J P) (eplus loss_total (Fin ex_slack)).
Proof. apply classifier_total; auto using within_slack, q_inside with tables. Qed.

Example classifier_capability_applies : ele (gap 3 2 Df muf P_opt) loss_capability.
Proof.
  apply ClassifierBound.classifier_capability; auto with tables. intros. apply q_inside; auto.
Qed.

Example classifier_proxy_applies : ele (gap 3 2 Dh muh P_opt) loss_proxy.
Proof. apply ClassifierBound.classifier_proxy; auto with tables. intros. apply q_inside; auto. Qed.

Example classifier_halves_sum_applies : eplus loss_capability (escale lam loss_proxy) = loss_total.
Proof. apply classifier_halves_sum; auto with tables. Qed.

Example classifier_equality_applies :
  capability_loss 3 Df Dh lam w = Fin (1/2 * ln 4) /\
  proxy_loss 3 Df Dh lam w = Fin (3/4 * ln (4/3)).
Proof.
  rewrite <- value_theorem2_c, <- value_proxy_side_c.
  destruct (classifier_equality 3 Df Dh lam) as [Hf Hs]; auto with tables.
Qed.

Example trivial_is_entropy_applies : 3 * entropy (1/3) = ln 3 + 2 * ln (1 + 1/2).
Proof. pose proof (trivial_is_entropy 2) as E. replace (1 + 2) with 3 in E by ring. apply E. lra. Qed.

Example prompts_alone_cap_applies :
  ele (expect 3 Df (fun x => log_inverse (w x))) (Fin (ln (1 + lam))) /\
  ele (expect 3 Dh (fun x => log_inverse (1 - w x))) (Fin (ln (1 + 1 / lam))).
Proof.
  pose proof (proj2 Df_dist) as Sf. pose proof (proj2 Dh_dist) as Sh. split.
  - apply prompts_alone_cap; auto with tables.
  - apply prompts_alone_proxy_cap; auto with tables.
Qed.

Example trivial_applies :
  ele (gap 3 2 Df muf P_opt) (Fin (ln (1 + lam))) /\
  ele (gap 3 2 Dh muh P_opt) (Fin (ln (1 + 1 / lam))) /\
  ele (J P_opt) (Fin (ln (1 + lam) + lam * ln (1 + 1 / lam))).
Proof.
  pose proof (proj2 Df_dist) as Sf. pose proof (proj2 Dh_dist) as Sh. repeat split.
  - apply trivial_capability; auto with tables.
  - apply trivial_proxy; auto with tables.
  - apply trivial_total; auto with tables.
Qed.

(** ** Information *)
Ltac information :=
  unfold cmi, H_Z_X, H_Z_XY, cross_entropy, prompt_posterior, pair_posterior, p_x, p_xy, p_zx, sum2;
  value.

Example value_information :
  cmi 3 2 p = 1/3 * (1/2 * (1/2 * ln (2) + 1/2 * ln (2/3))
                     + 2 * (3/4 * (1/6 * ln (2/3) + 5/6 * ln (10/9)))).
Proof. information. Qed.

Example value_prompt_entropy : H_Z_X 3 2 p = - (1/6 * ln (1/4) + 1/2 * ln (3/4)).
Proof. information. Qed.

Example value_pair_entropy :
  H_Z_XY 3 2 p = - (1/6 * ln (1/2) + 1/12 * ln (1/6) + 5/12 * ln (5/6)).
Proof. information. Qed.

Example value_cross_entropy :
  cross_entropy 3 2 p s = 1/12 * ln (3) + 1/12 * ln (4) + 1/12 * ln (3/2) + 5/12 * ln (4/3).
Proof. information. Qed.

Lemma joint_entries z x y : (z < 2)%nat -> (x < 3)%nat -> (y < 2)%nat -> 0 <= p z x y.
Proof. intros. apply (joint_nonneg 3 2); auto with tables. Qed.

(** s is sure where one source alone comes: 0 on the second prompt and 1 on the third. *)
Lemma s_classifier : classifier 3 2 p s.
Proof. intros x y Hx Hy. each x; each y; entries; repeat split; intros; lra. Qed.
#[local] Hint Resolve joint_entries s_classifier : tables.

Example information_applies :
  cmi 3 2 p = H_Z_X 3 2 p - H_Z_XY 3 2 p /\ 0 <= cmi 3 2 p /\
  H_Z_XY 3 2 p <= cross_entropy 3 2 p s.
Proof.
  repeat split; [apply information_is_entropy_difference | apply information_nonneg
                | apply cross_entropy_ge]; auto with tables.
Qed.

Example theorem4_applies :
  J P_opt = Fin ((1 + lam) * cmi 3 2 p) /\
  (forall Q, kernel 3 2 Q -> ele (Fin ((1 + lam) * cmi 3 2 p)) (J Q)).
Proof. split; [apply theorem4 | intros; apply theorem4_minimum]; auto with tables. Qed.

Example theorem4_gaps_apply :
  gap 3 2 Df muf P_opt
  = Fin (sum2 3 2 (fun x y => Df x * muf x y *
          (ln (pair_posterior p x y) - ln (prompt_posterior 2 p x)))) /\
  gap 3 2 Dh muh P_opt
  = Fin (sum2 3 2 (fun x y => Dh x * muh x y *
          (ln (1 - pair_posterior p x y) - ln (1 - prompt_posterior 2 p x)))).
Proof. split; [apply theorem4_capability_gap | apply theorem4_proxy_gap]; auto with tables. Qed.

Local Notation lower_total := ((1 + lam) * (H_Z_X 3 2 p - cross_entropy 3 2 p s)).
Local Notation lower_capability :=
  (sum 3 (fun x => Df x * ln (1 / prompt_posterior 2 p x))
   - (sum2 3 2 (fun x y => Df x * muf x y * (ln (1 / s x y) + s x y - 1))
      + lam * sum2 3 2 (fun x y => Dh x * muh x y * s x y))).
Local Notation lower_proxy :=
  (sum 3 (fun x => Dh x * ln (1 / (1 - prompt_posterior 2 p x)))
   - (sum2 3 2 (fun x y => Dh x * muh x y * (ln (1 / (1 - s x y)) - s x y))
      + 1 / lam * sum2 3 2 (fun x y => Df x * muf x y * (1 - s x y)))).

Example value_theorem4_lower :
  lower_total = 3 * (- (1/6 * ln (1/4) + 1/2 * ln (3/4))
                     - (1/12 * ln (3) + 1/12 * ln (4) + 1/12 * ln (3/2) + 5/12 * ln (4/3))).
Proof. rewrite value_prompt_entropy, value_cross_entropy. unfold ex_lam. lra. Qed.

Example value_theorem4_capability_lower :
  lower_capability = 1/2 * ln (4) - (1/4 * (ln (3) - 2/3) + 1/4 * (ln (4) - 3/4)
                                   + 2 * (3/4 * (1/18 + 5/24))).
Proof. information. Qed.

Example value_theorem4_proxy_lower :
  lower_proxy = 3/4 * ln (4/3) - (3/4 * (1/6 * (ln (3/2) - 1/3) + 5/6 * (ln (4/3) - 1/4))
                                  + 1/2 * (1/4 * (2/3) + 1/4 * (3/4))).
Proof. information. Qed.

Example theorem4_entropies_applies : J P_opt = Fin ((1 + lam) * (H_Z_X 3 2 p - H_Z_XY 3 2 p)).
Proof. apply theorem4_entropies; auto with tables. Qed.

Example theorem4_lower_applies :
  ele (Fin lower_total) (J P) /\
  ele (Fin lower_capability) (gap 3 2 Df muf P_opt) /\
  ele (Fin lower_proxy) (gap 3 2 Dh muh P_opt).
Proof.
  repeat split; [apply theorem4_lower | apply theorem4_capability_lower
                | apply theorem4_proxy_lower]; auto with tables.
Qed.

(** At λ = 1 the posterior of the first pair is 2/3; at λ = 2 it is 1/2: the logit shifts. *)
Example prior_shift_of_weights : share (1/2) (2 * (3/4)) = logistic (ln (1/2 / (3/4)) - ln 2).
Proof. apply prior_shift; lra. Qed.

Example prior_shift_applies :
  pair_posterior p 0 0 = logistic (logit (2/3) - ln lam) /\ pair_posterior p 0 0 = 1/2.
Proof.
  assert (E : pair_posterior (joint Df Dh muf muh 1) 0 0 = 2/3).
  { unfold pair_posterior, p_xy. cbn [sum]. entries. lra. }
  split; [rewrite <- E | unfold pair_posterior, p_xy; cbn [sum]; entries; lra].
  apply (prior_shift_pair 3 2); auto with tables. rewrite E. lra.
Qed.

Example prior_shift_prompt_applies :
  prompt_posterior 2 p 0 = logistic (logit (2/5) - ln lam) /\ prompt_posterior 2 p 0 = 1/4.
Proof.
  assert (E : prompt_posterior 2 (joint Df Dh muf muh 1) 0 = 2/5).
  { unfold prompt_posterior, p_x, p_zx. cbn [sum]. entries. lra. }
  split; [rewrite <- E | unfold prompt_posterior, p_x, p_zx; cbn [sum]; entries; lra].
  apply (prior_shift_prompt 3 2); auto with tables. rewrite E. lra.
Qed.

(** ** Preference fine-tuning *)
Example value_preference :
  log_ratio 3 2 D mu P Pref = 1/2 * ln (9/8) + 1/2 * (1/2 * ln (2/3) + 1/2 * ln (4/3)).
Proof. unfold log_ratio. value. Qed.

Example value_preference_supremum : ex_rmax / ex_beta = ln (3/2).
Proof. value. Qed.

Example preference_bound_applies :
  ele (gap 3 2 D mu P) (eplus (gap 3 2 D mu Pref) (Fin (log_ratio 3 2 D mu P Pref))) /\
  log_ratio 3 2 D mu P Pref <= ex_rmax / ex_beta /\
  ele (gap 3 2 D mu P) (eplus (gap 3 2 D mu Pref) (Fin (ex_rmax / ex_beta))).
Proof.
  apply preference_bound; auto with tables.
  - intros x Hx. apply (mu_kernel x Hx).
  - intros x y Hx Hy _ _. each x; each y; entries; lra.
  - apply D_dist.
  - intros x Hx. apply (mu_kernel x Hx).
  - unfold ex_beta. lra.
  - intros x y Hx Hy.
    assert (H : forall u, 2/3 <= u <= 3/2 -> Rabs (1/2 * ln u) <= 1/2 * ln (3/2)).
    { intros u Hu. assert (ln u <= ln (3/2)) by (apply ln_le; lra).
      assert (L : ln (1 / (3/2)) <= ln u) by (apply ln_le; lra). rewrite ln_inverse in L by lra.
      apply Rabs_le. lra. }
    each x; each y; entries; intros; try (exfalso; lra); apply H; lra.
Qed.

Example preference_identity_applies :
  gap 3 2 D mu P = eplus (gap 3 2 D mu Pref) (Fin (log_ratio 3 2 D mu P Pref)).
Proof.
  apply preference_identity; auto with tables.
  - intros x Hx. apply (mu_kernel x Hx).
  - intros x y Hx Hy _ _. each x; each y; entries; lra.
Qed.
