(** * Preference fine-tuning: the safety gap from the implicit reward

    A policy P tuned from a reference Pref has the implicit reward r̂ = β log(P/Pref). On data
    (D, μ), with both policies positive wherever D(x) > 0 and μ(x)_j > 0,

        G(P) = G(Pref) + E_{x~D, j~μ(x)} log(Pref/P) <= G(Pref) + sup|r̂| / β,

    since log(μ/P) = log(μ/Pref) + log(Pref/P), and log(Pref/P) = - r̂/β. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite.
Open Scope R_scope.

Section Preference.

Variables (n k : nat) (D : nat -> R) (mu P Pref : nat -> nat -> R).

(** E_{x~D, j~μ(x)} log(Pref/P) *)
Definition log_ratio : R :=
  sum n (fun x => D x * sum k (fun j => mu x j * ln (Pref x j / P x j))).

Hypothesis D_nonneg : nonneg n D.
Hypothesis mu_nonneg : forall x, (x < n)%nat -> nonneg k (mu x).
Hypothesis positive : forall x j, (x < n)%nat -> (j < k)%nat -> 0 < D x -> 0 < mu x j ->
  0 < P x j /\ 0 < Pref x j.

(** G(P) = G(Pref) + Σ_x D(x) Σ_j μ(x)_j log(Pref(x)_j / P(x)_j) *)
Theorem preference_identity :
  gap n k D mu P = eplus (gap n k D mu Pref) (Fin log_ratio).
Proof using All.
  unfold gap, log_ratio. rewrite <- esum_Fin, <- esum_plus.
  apply esum_ext; intros x Hx. destruct (D_nonneg x Hx) as [Dx| <-].
  - rewrite !KL_finite by (auto; intros j Hj Mj; apply positive; assumption).
    simpl. f_equal. rewrite <- Rmult_plus_distr_l, <- sum_plus. f_equal.
    apply sum_ext; intros j Hj. destruct (mu_nonneg x Hx j Hj) as [Mj| <-]; [|ring].
    destruct (positive x j Hx Hj Dx Mj). rewrite !ln_div by assumption. ring.
  - rewrite !escale_0, eplus_0_l. f_equal. ring.
Qed.

(** Both gaps are finite, so that the identity never reads ∞ = ∞. *)
Lemma preference_finite : exists g, gap n k D mu P = Fin g.
Proof using D_nonneg mu_nonneg positive.
  apply esum_finite; intros x Hx. destruct (D_nonneg x Hx) as [Dx| <-].
  - rewrite KL_finite by (auto; intros j Hj Mj; apply positive; assumption).
    eexists. reflexivity.
  - exists 0. apply escale_0.
Qed.

Hypothesis D_total : sum n D = 1.
Hypothesis mu_total : forall x, (x < n)%nat -> sum k (mu x) = 1.

Variables (beta rmax : R).
Hypothesis beta_pos : 0 < beta.

(** The expectation needs the reward bounded from below alone: r̂ >= - rmax. *)
Theorem log_ratio_le :
  (forall x j, (x < n)%nat -> (j < k)%nat -> 0 < D x -> 0 < mu x j ->
    - rmax <= beta * ln (P x j / Pref x j)) ->
  log_ratio <= rmax / beta.
Proof using All.
  intros H. replace (rmax / beta) with (sum n (fun x => rmax / beta * D x))
    by (rewrite sum_scal, D_total; ring).
  apply sum_le; intros x Hx. rewrite (Rmult_comm _ (D x)).
  destruct (D_nonneg x Hx) as [Dx| <-]; [|lra]. apply Rmult_le_compat_l; [lra|].
  replace (rmax / beta) with (sum k (fun j => rmax / beta * mu x j))
    by (rewrite sum_scal, mu_total by assumption; ring).
  apply sum_le; intros j Hj. rewrite (Rmult_comm _ (mu x j)).
  destruct (mu_nonneg x Hx j Hj) as [Mj| <-]; [|lra]. apply Rmult_le_compat_l; [lra|].
  destruct (positive x j Hx Hj Dx Mj). specialize (H x j Hx Hj Dx Mj).
  apply (Rmult_le_reg_l beta); [assumption|].
  replace (beta * (rmax / beta)) with rmax by (field; lra).
  rewrite ln_div in * by assumption. lra.
Qed.

(** With |r̂| <= rmax where the data reach:
    G(P) = G(Pref) + E log(Pref/P), and E log(Pref/P) <= rmax/β, so G(P) <= G(Pref) + rmax/β *)
Theorem preference_bound :
  (forall x j, (x < n)%nat -> (j < k)%nat -> 0 < D x -> 0 < mu x j ->
    Rabs (beta * ln (P x j / Pref x j)) <= rmax) ->
  ele (gap n k D mu P) (eplus (gap n k D mu Pref) (Fin log_ratio))
  /\ log_ratio <= rmax / beta
  /\ ele (gap n k D mu P) (eplus (gap n k D mu Pref) (Fin (rmax / beta))).
Proof using All.
  intros H. assert (L : log_ratio <= rmax / beta).
  { apply log_ratio_le. intros x j Hx Hj Dx Mj. specialize (H x j Hx Hj Dx Mj).
    pose proof (Rle_abs (- (beta * ln (P x j / Pref x j)))) as A.
    rewrite Rabs_Ropp in A. lra. }
  split; [apply ele_eq, preference_identity | split; [exact L|]].
  rewrite preference_identity. apply eplus_le; [apply ele_refl | exact L].
Qed.

End Preference.
