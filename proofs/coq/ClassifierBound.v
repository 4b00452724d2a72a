(** * The classifier bound: the log-loss of any prompt classifier bounds the trade-off

    Comparing with the policy q μ_f + (1-q) μ̂, whatever q(x) is in [0, 1], gives

        G_f(P) + λ Ĝ_s(P) <= E_{D_f} log 1/q + λ E_{D̂} log 1/(1-q) + slack,

    +∞ where q is 0 or 1 and should not be. At P_λ it splits, by the tangent
    log u <= u/c - 1 + log c at c = 1/q (or 1/(1-q)) and by (D_f + λD̂) w = D_f:

        G_f(P_λ) <= E_{D_f} log 1/w      <= E_{D_f}[log 1/q + q - 1] + λ E_{D̂} q,
        Ĝ_s(P_λ) <= E_{D̂} log 1/(1-w)   <= E_{D̂}[log 1/(1-q) - q] + (1/λ) E_{D_f}[1-q],

    the last step an equality at q = w; the first plus λ times the second is the bound on the sum.
    The constant q = 1/(1+λ) gives what is known without data: log(1+λ), log(1+1/λ) and
    (1+λ) h(1/(1+λ)). *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Theorem1 Theorem2.
Open Scope R_scope.

(** Binary entropy, for u in (0, 1) *)
Definition entropy (u : R) : R := - u * ln u - (1 - u) * ln (1 - u).

(** (1+λ) h(1/(1+λ)) = log(1+λ) + λ log(1+1/λ) *)
Theorem trivial_is_entropy lam :
  0 < lam -> (1 + lam) * entropy (1 / (1 + lam)) = ln (1 + lam) + lam * ln (1 + 1 / lam).
Proof.
  intros H. unfold entropy.
  replace (1 - 1 / (1 + lam)) with (lam / (1 + lam)) by (field; lra).
  replace (1 + 1 / lam) with ((1 + lam) / lam) by (field; lra).
  rewrite !ln_div, ln_1 by lra. field. lra.
Qed.

Section Classifier.

Variables (n k : nat) (Df Dh : nat -> R) (muf muh : nat -> nat -> R) (lam : R).
Local Notation weight := (weight Df Dh lam).
Local Notation P_lam := (P_lam Df Dh muf muh lam).
Local Notation objective := (objective n k Df Dh muf muh lam).
Local Notation within := (within n k Df Dh muf muh lam).

(** E_{D_f} log 1/q + λ E_{D̂} log 1/(1-q) *)
Definition total_loss (q : nat -> R) : ext :=
  eplus (expect n Df (fun x => log_inverse (q x)))
        (escale lam (expect n Dh (fun x => log_inverse (1 - q x)))).

(** E_{D_f}[log 1/q + q - 1] + λ E_{D̂} q *)
Definition capability_loss (q : nat -> R) : ext :=
  eplus (expect n Df (fun x => eplus (log_inverse (q x)) (Fin (q x - 1))))
        (Fin (lam * sum n (fun x => Dh x * q x))).

(** E_{D̂}[log 1/(1-q) - q] + (1/λ) E_{D_f}[1-q] *)
Definition proxy_loss (q : nat -> R) : ext :=
  eplus (expect n Dh (fun x => eplus (log_inverse (1 - q x)) (Fin (- q x))))
        (Fin (1 / lam * sum n (fun x => Df x * (1 - q x)))).

(** For q in (0, 1) they are the real numbers that the code computes. *)
Lemma total_loss_Fin q :
  (forall x, (x < n)%nat -> 0 < q x < 1) ->
  total_loss q = Fin (sum n (fun x => Df x * ln (1 / q x))
                      + lam * sum n (fun x => Dh x * ln (1 / (1 - q x)))).
Proof using.
  intros Hq. unfold total_loss, expect.
  rewrite (esum_ext n (fun x => escale (Df x) _) (fun x => Fin (Df x * ln (1 / q x)))).
  2:{ intros x Hx. specialize (Hq x Hx). rewrite log_inverse_pos by lra. reflexivity. }
  rewrite (esum_ext n (fun x => escale (Dh x) _) (fun x => Fin (Dh x * ln (1 / (1 - q x))))).
  2:{ intros x Hx. specialize (Hq x Hx). rewrite log_inverse_pos by lra. reflexivity. }
  rewrite !esum_Fin. reflexivity.
Qed.

Lemma capability_loss_Fin q :
  (forall x, (x < n)%nat -> 0 < q x) ->
  capability_loss q = Fin (sum n (fun x => Df x * (ln (1 / q x) + q x - 1))
                           + lam * sum n (fun x => Dh x * q x)).
Proof using.
  intros Hq. unfold capability_loss, expect.
  rewrite (esum_ext n _ (fun x => Fin (Df x * (ln (1 / q x) + q x - 1)))).
  - rewrite esum_Fin. reflexivity.
  - intros x Hx. rewrite log_inverse_pos by auto. simpl. f_equal. ring.
Qed.

Lemma proxy_loss_Fin q :
  (forall x, (x < n)%nat -> q x < 1) ->
  proxy_loss q = Fin (sum n (fun x => Dh x * (ln (1 / (1 - q x)) - q x))
                      + 1 / lam * sum n (fun x => Df x * (1 - q x))).
Proof using.
  intros Hq. unfold proxy_loss, expect.
  rewrite (esum_ext n _ (fun x => Fin (Dh x * (ln (1 / (1 - q x)) - q x)))).
  - rewrite esum_Fin. reflexivity.
  - intros x Hx. specialize (Hq x Hx). rewrite log_inverse_pos by lra. reflexivity.
Qed.

Hypothesis Df_nonneg : nonneg n Df.
Hypothesis Dh_nonneg : nonneg n Dh.

(** ** The two halves *)

(** capability loss + λ proxy loss = total loss; neither D_f nor D̂ need sum to 1. *)
Theorem classifier_halves_sum q :
  0 < lam -> eplus (capability_loss q) (escale lam (proxy_loss q)) = total_loss q.
Proof using Df_nonneg Dh_nonneg.
  intros Hlam. unfold capability_loss, proxy_loss, total_loss.
  rewrite !expect_plus, !expect_Fin, !escale_plus by (assumption || lra). simpl escale.
  assert (E : sum n (fun x => Df x * (1 - q x)) = - sum n (fun x => Df x * (q x - 1))).
  { replace (- sum n (fun x => Df x * (q x - 1))) with (-1 * sum n (fun x => Df x * (q x - 1)))
      by ring.
    rewrite <- sum_scal. apply sum_ext; intros; ring. }
  assert (F : sum n (fun x => Dh x * - q x) = - sum n (fun x => Dh x * q x)).
  { replace (- sum n (fun x => Dh x * q x)) with (-1 * sum n (fun x => Dh x * q x)) by ring.
    rewrite <- sum_scal. apply sum_ext; intros; ring. }
  rewrite E, F.
  destruct (expect n Df _) as [a|], (escale lam (expect n Dh _)) as [b|]; simpl; auto.
  f_equal. field. lra.
Qed.

(** E_{D_f} log 1/w <= E_{D_f}[log 1/q + q - 1] + λ E_{D̂} q *)
Theorem classifier_capability_prompts q :
  0 <= lam -> (forall x, (x < n)%nat -> 0 <= q x) ->
  ele (expect n Df (fun x => log_inverse (weight x))) (capability_loss q).
Proof using Df_nonneg Dh_nonneg.
  intros Hlam Hq. unfold capability_loss, expect.
  rewrite <- sum_scal, <- esum_Fin, <- esum_plus. apply esum_le; intros x Hx.
  specialize (Hq x Hx). pose proof (lamDh_nonneg n Dh lam Dh_nonneg Hlam x Hx) as Hl.
  assert (L : 0 <= lam * (Dh x * q x)) by (rewrite <- Rmult_assoc; apply Rmult_le_pos; lra).
  destruct (Df_nonneg x Hx) as [H| <-]; [|rewrite !escale_0, eplus_0_l; exact L].
  destruct (Rlt_dec 0 (q x)) as [Pq|Nq].
  2:{ rewrite (log_inverse_Inf (q x)) by exact Nq. simpl eplus at 2.
      rewrite escale_Inf by exact H. apply ele_Inf. }
  rewrite (log_inverse_weight n) by assumption. rewrite log_inverse_pos by exact Pq. simpl.
  assert (U : 0 <= lam * Dh x / Df x).
  { apply Rmult_le_pos; [exact Hl|]. left. apply Rinv_0_lt_compat, H. }
  pose proof (ln_tangent (1 + lam * Dh x / Df x) (1 / q x)) as T.
  assert (0 < 1 / q x) by (apply Rdiv_lt_0_compat; lra).
  apply (Rmult_le_compat_l (Df x)) in T; [|lra..].
  replace (Df x * ((1 + lam * Dh x / Df x) / (1 / q x) - 1 + ln (1 / q x)))
    with (Df x * (ln (1 / q x) + (q x - 1)) + lam * (Dh x * q x)) in T by (field; lra).
  exact T.
Qed.

(** E_{D̂} log 1/(1-w) <= E_{D̂}[log 1/(1-q) - q] + (1/λ) E_{D_f}[1-q] *)
Theorem classifier_proxy_prompts q :
  0 < lam -> (forall x, (x < n)%nat -> q x <= 1) ->
  ele (expect n Dh (fun x => log_inverse (1 - weight x))) (proxy_loss q).
Proof using Df_nonneg Dh_nonneg.
  intros Hlam Hq. unfold proxy_loss, expect.
  rewrite <- sum_scal, <- esum_Fin, <- esum_plus. apply esum_le; intros x Hx.
  specialize (Hq x Hx). assert (Il : 0 < 1 / lam) by (apply Rdiv_lt_0_compat; lra).
  assert (L : 0 <= 1 / lam * (Df x * (1 - q x))).
  { apply Rmult_le_pos; [lra|]. apply Rmult_le_pos; [auto|lra]. }
  destruct (Dh_nonneg x Hx) as [H| <-]; [|rewrite !escale_0, eplus_0_l; exact L].
  destruct (Rlt_dec 0 (1 - q x)) as [Pq|Nq].
  2:{ rewrite (log_inverse_Inf (1 - q x)) by exact Nq. simpl eplus at 2.
      rewrite escale_Inf by exact H. apply ele_Inf. }
  rewrite (log_inverse_other_weight n) by assumption. rewrite log_inverse_pos by exact Pq. simpl.
  pose proof (Rmult_lt_0_compat lam (Dh x) Hlam H) as Hl.
  assert (U : 0 <= Df x / (lam * Dh x)).
  { apply Rmult_le_pos; [auto|]. left. apply Rinv_0_lt_compat, Hl. }
  pose proof (ln_tangent (1 + Df x / (lam * Dh x)) (1 / (1 - q x))) as T.
  assert (0 < 1 / (1 - q x)) by (apply Rdiv_lt_0_compat; lra).
  apply (Rmult_le_compat_l (Dh x)) in T; [|lra..].
  replace (Dh x * ((1 + Df x / (lam * Dh x)) / (1 / (1 - q x)) - 1 + ln (1 / (1 - q x))))
    with (Dh x * (ln (1 / (1 - q x)) + - q x) + 1 / lam * (Df x * (1 - q x))) in T
    by (field; lra).
  exact T.
Qed.

(** Both of these are equalities at q = w. *)
Theorem classifier_equality :
  (0 <= lam -> capability_loss weight = expect n Df (fun x => log_inverse (weight x))) /\
  (0 < lam -> proxy_loss weight = expect n Dh (fun x => log_inverse (1 - weight x))).
Proof using Df_nonneg Dh_nonneg.
  assert (W : forall x, 0 <= lam -> (x < n)%nat ->
              Df x * (weight x - 1) + lam * (Dh x * weight x) = 0).
  { intros x Hlam Hx. pose proof (lamDh_nonneg n Dh lam Dh_nonneg Hlam x Hx) as Hl.
    pose proof (share_mult (Df x) (lam * Dh x) (Df_nonneg x Hx) Hl) as E.
    fold (weight x) in E. lra. }
  split; intros Hlam.
  - unfold capability_loss. rewrite expect_plus, expect_Fin, <- eplus_assoc by assumption.
    simpl (eplus (Fin _) _). rewrite <- sum_scal, <- sum_plus, (sum_ext n _ (fun _ => 0)) by auto.
    rewrite sum_0. apply eplus_0_r.
  - unfold proxy_loss. rewrite expect_plus, expect_Fin, <- eplus_assoc by assumption.
    simpl (eplus (Fin _) _). rewrite <- sum_scal, <- sum_plus, (sum_ext n _ (fun _ => 0)).
    + rewrite sum_0. apply eplus_0_r.
    + intros x Hx. apply (Rmult_eq_reg_l lam); [|lra].
      assert (Hl : 0 <= lam) by lra. specialize (W x Hl Hx).
      replace (lam * (Dh x * - weight x + 1 / lam * (Df x * (1 - weight x))))
        with (- (Df x * (weight x - 1) + lam * (Dh x * weight x))) by (field; lra).
      rewrite W. ring.
Qed.

Hypothesis muf_kernel : kernel n k muf.
Hypothesis muh_kernel : kernel n k muh.

(** ** The bounds *)

(** G_f(P) + λĜ_s(P) <= E_{D_f} log 1/q + λ E_{D̂} log 1/(1-q) + slack *)
Theorem classifier_total q slack P :
  0 <= lam -> (forall x, (x < n)%nat -> 0 <= q x <= 1) -> within slack P ->
  ele (objective P) (eplus (total_loss q) (Fin slack)).
Proof using All.
  intros Hlam Hq HP. set (Q := fun x => mix (q x) (muf x) (muh x)).
  apply ele_trans with (eplus (objective Q) (Fin slack)).
  - apply within_comparator; auto. intros x Hx. apply mix_dist; auto.
  - apply eplus_le; [|apply ele_refl]. apply eplus_le; [|apply escale_le; [exact Hlam|]].
    + apply expect_le; [exact Df_nonneg|]. intros x Hx _. apply KL_mix_le; auto.
      apply (muh_kernel x Hx).
    + apply expect_le; [exact Dh_nonneg|]. intros x Hx _. apply KL_mix_le_other; auto.
      apply (muf_kernel x Hx).
Qed.

(** G_f(P_λ) <= E_{D_f}[log 1/q + q - 1] + λ E_{D̂} q *)
Theorem classifier_capability q :
  0 <= lam -> (forall x, (x < n)%nat -> 0 <= q x) ->
  ele (gap n k Df muf P_lam) (capability_loss q).
Proof using All.
  intros Hlam Hq. apply ele_trans with (expect n Df (fun x => log_inverse (weight x))).
  - apply theorem2_c; assumption.
  - apply classifier_capability_prompts; assumption.
Qed.

(** Ĝ_s(P_λ) <= E_{D̂}[log 1/(1-q) - q] + (1/λ) E_{D_f}[1-q] *)
Theorem classifier_proxy q :
  0 < lam -> (forall x, (x < n)%nat -> q x <= 1) ->
  ele (gap n k Dh muh P_lam) (proxy_loss q).
Proof using All.
  intros Hlam Hq. apply ele_trans with (expect n Dh (fun x => log_inverse (1 - weight x))).
  - apply theorem2_proxy_c; assumption.
  - apply classifier_proxy_prompts; assumption.
Qed.

(** ** What is known without data: the constant classifier *)
Section Trivial.

Hypothesis Df_sum : sum n Df = 1.
Hypothesis Dh_sum : sum n Dh = 1.

Lemma sum_constant f c : sum n f = 1 -> sum n (fun x => f x * c) = c.
Proof using.
  intros H. rewrite (sum_ext n _ (fun x => c * f x)) by (intros; ring).
  rewrite sum_scal, H. ring.
Qed.

Lemma trivial_capability_loss :
  0 <= lam -> capability_loss (fun _ => 1 / (1 + lam)) = Fin (ln (1 + lam)).
Proof using Df_sum Dh_sum.
  intros Hlam. rewrite capability_loss_Fin by (intros; apply Rdiv_lt_0_compat; lra).
  rewrite !sum_constant by assumption. f_equal.
  replace (1 / (1 / (1 + lam))) with (1 + lam) by (field; lra). field. lra.
Qed.

Lemma trivial_proxy_loss :
  0 < lam -> proxy_loss (fun _ => 1 / (1 + lam)) = Fin (ln (1 + 1 / lam)).
Proof using Df_sum Dh_sum.
  intros Hlam. rewrite proxy_loss_Fin.
  - rewrite !sum_constant by assumption. f_equal.
    replace (1 / (1 - 1 / (1 + lam))) with (1 + 1 / lam) by (field; lra). field. lra.
  - intros _ _. apply (Rmult_lt_reg_r (1 + lam)); [lra|].
    replace (1 / (1 + lam) * (1 + lam)) with 1 by (field; lra). lra.
Qed.

(** E_{D_f} log 1/w <= log(1+λ), so Theorem 2 (c) is never worse than the cap *)
Theorem prompts_alone_cap :
  0 <= lam -> ele (expect n Df (fun x => log_inverse (weight x))) (Fin (ln (1 + lam))).
Proof using Df_nonneg Dh_nonneg Df_sum Dh_sum.
  intros Hlam. rewrite <- trivial_capability_loss by exact Hlam.
  apply classifier_capability_prompts; [exact Hlam|].
  intros _ _. left. apply Rdiv_lt_0_compat; lra.
Qed.

(** E_D̂ log 1/(1-w) <= log(1+1/λ) *)
Theorem prompts_alone_proxy_cap :
  0 < lam -> ele (expect n Dh (fun x => log_inverse (1 - weight x))) (Fin (ln (1 + 1 / lam))).
Proof using Df_nonneg Dh_nonneg Df_sum Dh_sum.
  intros Hlam. rewrite <- trivial_proxy_loss by exact Hlam.
  apply classifier_proxy_prompts; [exact Hlam|].
  intros _ _. apply (Rmult_le_reg_r (1 + lam)); [lra|].
  replace (1 / (1 + lam) * (1 + lam)) with 1 by (field; lra). lra.
Qed.

(** G_f(P_λ) <= log(1+λ) *)
Theorem trivial_capability : 0 <= lam -> ele (gap n k Df muf P_lam) (Fin (ln (1 + lam))).
Proof using All.
  intros Hlam. apply ele_trans with (2 := prompts_alone_cap Hlam), theorem2_c; assumption.
Qed.

(** Ĝ_s(P_λ) <= log(1+1/λ) *)
Theorem trivial_proxy : 0 < lam -> ele (gap n k Dh muh P_lam) (Fin (ln (1 + 1 / lam))).
Proof using All.
  intros Hlam. apply ele_trans with (2 := prompts_alone_proxy_cap Hlam), theorem2_proxy_c; assumption.
Qed.

(** G_f(P_λ) + λĜ_s(P_λ) <= log(1+λ) + λ log(1+1/λ), which is (1+λ) h(1/(1+λ)) *)
Theorem trivial_total :
  0 < lam -> ele (objective P_lam) (Fin (ln (1 + lam) + lam * ln (1 + 1 / lam))).
Proof using All.
  intros Hlam. assert (Hl : 0 <= lam) by lra. pose proof (trivial_proxy Hlam) as Hp.
  apply (escale_le lam) in Hp; [|exact Hl]. exact (eplus_le _ _ _ _ (trivial_capability Hl) Hp).
Qed.

End Trivial.

End Classifier.
