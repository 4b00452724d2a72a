(** * A larger penalty: the proxy gap of the optimum does not rise, its capability gap does not fall

    Each of two optima is best for its own penalty; adding the two inequalities leaves
    (λ' - λ) (Ĝ_s(P_λ') - Ĝ_s(P_λ)) <= 0. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite.
Open Scope R_scope.

Section Monotone.

Variables (n k : nat) (Df Dh : nat -> R) (muf muh : nat -> nat -> R).
Hypothesis Df_nonneg : nonneg n Df.
Hypothesis Dh_nonneg : nonneg n Dh.
Hypothesis muf_kernel : kernel n k muf.
Hypothesis muh_kernel : kernel n k muh.

Local Notation P lam := (P_lam Df Dh muf muh lam).

(** Both gaps of the optimum are finite. *)
Lemma gaps_finite lam :
  0 < lam -> exists f h, gap n k Df muf (P lam) = Fin f /\ gap n k Dh muh (P lam) = Fin h.
Proof using All.
  intros Hl. destruct (objective_P_lam_finite n k Df Dh muf muh lam) as [v E]; auto; try lra.
  unfold objective in E.
  destruct (gap n k Df muf (P lam)) as [f|]; [|discriminate].
  destruct (gap n k Dh muh (P lam)) as [h|]; [exists f, h; auto|].
  rewrite escale_Inf in E by exact Hl. discriminate.
Qed.

Theorem monotone_in_penalty lam lam' :
  0 < lam < lam' ->
  ele (gap n k Dh muh (P lam')) (gap n k Dh muh (P lam)) /\
  ele (gap n k Df muf (P lam)) (gap n k Df muf (P lam')).
Proof using All.
  intros [Hl Hll]. assert (K : forall l, 0 < l -> kernel n k (P l)).
  { intros l H. apply P_lam_kernel; auto. lra. }
  destruct (gaps_finite lam Hl) as [f [h [Ef Eh]]].
  destruct (gaps_finite lam' ltac:(lra)) as [f' [h' [Ef' Eh']]].
  pose proof (proposition0 n k Df Dh muf muh lam Df_nonneg Dh_nonneg muf_kernel muh_kernel
                ltac:(lra) (P lam') (K lam' ltac:(lra))) as A.
  pose proof (proposition0 n k Df Dh muf muh lam' Df_nonneg Dh_nonneg muf_kernel muh_kernel
                ltac:(lra) (P lam) (K lam Hl)) as B.
  unfold objective in A, B. rewrite Ef, Eh, Ef', Eh' in *. simpl in *.
  assert (Hh : h' <= h).
  { apply (Rmult_le_reg_l (lam' - lam)); [lra|]. lra. }
  split; [exact Hh|]. assert (lam * h' <= lam * h) by (apply Rmult_le_compat_l; lra). lra.
Qed.

End Monotone.
