(** * Lower ends by any classifier of pairs

    A classifier s(x,y) in [0,1] has a cross-entropy CE(s) >= H(Z|X,Y), so (1+λ) [H(Z|X) - CE(s)] is at
    most the least G_f + λ Ĝ_s. It also bounds each gap at P_λ from below, since by the tangent of the
    logarithm E_f[log 1/r] <= E_f[log 1/s + s - 1] + λ E_ŝ[s], and likewise for the proxy. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Information Theorem4.
Open Scope R_scope.

Section LowerEnds.

Variables (n k : nat) (Df Dh : nat -> R) (muf muh : nat -> nat -> R) (lam : R).

Notation p := (joint Df Dh muf muh lam).
Notation P_lam := (P_lam Df Dh muf muh lam).
Notation objective := (objective n k Df Dh muf muh lam).

(** The posteriors a(x) and r(x,y) *)
Notation a := (prompt_posterior k p).
Notation r := (pair_posterior p).

Hypothesis Df_nonneg : nonneg n Df.
Hypothesis Dh_nonneg : nonneg n Dh.
Hypothesis muf_kernel : kernel n k muf.
Hypothesis muh_kernel : kernel n k muh.
Hypothesis lam_nonneg : 0 <= lam.

Variable s : nat -> nat -> R.
Hypothesis s_classifier : classifier n k p s.

Local Lemma mass : forall z x y, (z < 2)%nat -> (x < n)%nat -> (y < k)%nat -> 0 <= p z x y.
Proof using Df_nonneg Dh_nonneg muf_kernel muh_kernel lam_nonneg.
  apply joint_nonneg; assumption.
Qed.

Local Lemma posterior x y :
  (x < n)%nat -> (y < k)%nat -> 0 < Df x * muf x y + lam * Dh x * muh x y ->
  r x y = Df x * muf x y / (Df x * muf x y + lam * Dh x * muh x y)
  /\ 1 - r x y = lam * Dh x * muh x y / (Df x * muf x y + lam * Dh x * muh x y).
Proof using Df_nonneg Dh_nonneg muf_kernel muh_kernel lam_nonneg.
  apply pair_posterior_value; assumption.
Qed.

(** (1+λ) [H(Z|X) - CE(s)] <= G_f(P) + λ Ĝ_s(P), for every policy P; equal at s = r, P = P_λ *)
Theorem theorem4_lower P :
  kernel n k P ->
  ele (Fin ((1 + lam) * (H_Z_X n k p - cross_entropy n k p s))) (objective P).
Proof using All.
  intros HP. apply ele_trans with (Fin ((1 + lam) * cmi n k p));
    [|apply theorem4_minimum; assumption].
  simpl. rewrite information_is_entropy_difference by exact mass.
  pose proof (cross_entropy_ge n k p mass s s_classifier).
  apply Rmult_le_compat_l; lra.
Qed.

(** s > 0 where capability data come, s < 1 where proxy data do. *)
Lemma classifier_positive x y :
  (x < n)%nat -> (y < k)%nat -> 0 < Df x * muf x y -> 0 < s x y.
Proof using s_classifier lam_nonneg.
  intros Hx Hy H. apply (s_classifier x y Hx Hy). apply Rdiv_lt_0_compat; lra.
Qed.

Lemma classifier_below_1 x y :
  (x < n)%nat -> (y < k)%nat -> 0 < lam * Dh x * muh x y -> s x y < 1.
Proof using s_classifier lam_nonneg.
  intros Hx Hy H. apply (s_classifier x y Hx Hy). apply Rdiv_lt_0_compat; lra.
Qed.

(** E_f[log 1/r] <= E_f[log 1/s + s - 1] + λ E_ŝ[s] *)
Theorem capability_pair_loss :
  sum2 n k (fun x y => Df x * muf x y * ln (1 / r x y))
  <= sum2 n k (fun x y => Df x * muf x y * (ln (1 / s x y) + s x y - 1))
     + lam * sum2 n k (fun x y => Dh x * muh x y * s x y).
Proof using All.
  rewrite <- sum2_scal, <- sum2_plus. apply sum2_le; intros x y Hx Hy.
  assert (Nf : 0 <= Df x * muf x y) by (apply (capability_mass n k); assumption).
  assert (Nh : 0 <= lam * Dh x * muh x y) by (apply (proxy_mass n k); assumption).
  destruct (s_classifier x y Hx Hy) as [[S0 _] _].
  pose proof (tangent_term (Df x * muf x y) (Df x * muf x y + lam * Dh x * muh x y) (s x y)) as T.
  specialize (T Nf ltac:(lra) S0).
  specialize (T ltac:(intros H; split; [lra | apply (classifier_positive x y Hx Hy H)])).
  eapply Rle_trans; [right|apply Rle_trans with (1 := T); right; ring].
  apply mult_where; [exact Nf|]. intros H.
  destruct (posterior x y Hx Hy) as [-> _]; [lra | reflexivity].
Qed.

(** λ E_ŝ[log 1/(1-r)] <= λ E_ŝ[log 1/(1-s) - s] + E_f[1-s] *)
Theorem proxy_pair_loss :
  lam * sum2 n k (fun x y => Dh x * muh x y * ln (1 / (1 - r x y)))
  <= lam * sum2 n k (fun x y => Dh x * muh x y * (ln (1 / (1 - s x y)) - s x y))
     + sum2 n k (fun x y => Df x * muf x y * (1 - s x y)).
Proof using All.
  rewrite <- !sum2_scal, <- sum2_plus. apply sum2_le; intros x y Hx Hy.
  assert (Nf : 0 <= Df x * muf x y) by (apply (capability_mass n k); assumption).
  assert (Nh : 0 <= lam * Dh x * muh x y) by (apply (proxy_mass n k); assumption).
  destruct (s_classifier x y Hx Hy) as [[_ S1] _].
  pose proof (tangent_term (lam * Dh x * muh x y)
    (Df x * muf x y + lam * Dh x * muh x y) (1 - s x y)) as T.
  specialize (T Nh ltac:(lra) ltac:(lra)).
  specialize (T ltac:(intros H; pose proof (classifier_below_1 x y Hx Hy H); lra)).
  eapply Rle_trans; [right|apply Rle_trans with (1 := T); right; ring].
  rewrite <- !Rmult_assoc. apply mult_where; [exact Nh|]. intros H.
  destruct (posterior x y Hx Hy) as [_ ->]; [lra | reflexivity].
Qed.

(** G_f(P_λ) >= E_{D_f}[log 1/a] - (E_f[log 1/s + s - 1] + λ E_ŝ[s]) *)
Theorem theorem4_capability_lower :
  ele (Fin (sum n (fun x => Df x * ln (1 / a x))
            - (sum2 n k (fun x y => Df x * muf x y * (ln (1 / s x y) + s x y - 1))
               + lam * sum2 n k (fun x y => Dh x * muh x y * s x y))))
      (gap n k Df muf P_lam).
Proof using All.
  rewrite (theorem4_capability_split n k) by assumption. simpl. pose proof capability_pair_loss. lra.
Qed.

(** Ĝ_s(P_λ) >= E_D̂[log 1/(1-a)] - (E_ŝ[log 1/(1-s) - s] + (1/λ) E_f[1-s]) *)
Theorem theorem4_proxy_lower :
  0 < lam ->
  ele (Fin (sum n (fun x => Dh x * ln (1 / (1 - a x)))
            - (sum2 n k (fun x y => Dh x * muh x y * (ln (1 / (1 - s x y)) - s x y))
               + 1 / lam * sum2 n k (fun x y => Df x * muf x y * (1 - s x y)))))
      (gap n k Dh muh P_lam).
Proof using All.
  intros Hl. rewrite (theorem4_proxy_split n k) by assumption. simpl.
  apply Rplus_le_compat_l, Ropp_le_contravar, (Rmult_le_reg_l lam); [exact Hl|].
  apply Rle_trans with (1 := proxy_pair_loss). right. field. lra.
Qed.

End LowerEnds.
