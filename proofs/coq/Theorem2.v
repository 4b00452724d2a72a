(** * Theorem 2: the capability gap, and by the same comparators the proxy gap

    A policy P whose objective misses the minimum by at most [slack] = δ + κ does no worse than any
    other policy plus the slack; dropping λĜ_s >= 0 (or G_f >= 0) leaves a bound on one gap. With
    O = supp D_f ∩ supp D̂ the comparators give

        (a) μ_f on supp D_f, μ̂ elsewhere:  G_f(P)   <= λ Σ_O D̂ KL(μ̂‖μ_f) + slack,
        (b) μ̂ on supp D̂, μ_f elsewhere:    G_f(P)   <= Σ_O D_f KL(μ_f‖μ̂) + slack,
        (c) P_λ itself, from P_λ >= w μ_f:   G_f(P_λ) <= E_{x~D_f} log 1/w(x),
        (d) P_λ, whatever its value:         G_f(P)   <= G_f(P_λ) + λĜ_s(P_λ) + slack.

    Ĝ_s(P) is at most (a) and (b) over λ, and Ĝ_s(P_λ) <= E_{x~D̂} log 1/(1-w(x)) <= D_f(O)/λ. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Theorem1.
Open Scope R_scope.

(** ** Facts used below *)

Definition emin (a b : ext) : ext :=
  match a, b with
  | Fin x, Fin y => Fin (Rmin x y)
  | Fin x, Inf => Fin x
  | Inf, _ => b
  end.

(** [emin] is the greatest lower bound. *)
Lemma emin_glb c a b : ele c (emin a b) <-> ele c a /\ ele c b.
Proof.
  destruct a as [x|], b as [y|], c as [z|]; simpl; try tauto.
  split; [|intros []; apply Rmin_glb; assumption].
  pose proof (Rmin_l x y). pose proof (Rmin_r x y). intros; split; lra.
Qed.

Lemma emin_plus a b s : eplus (emin a b) (Fin s) = emin (eplus a (Fin s)) (eplus b (Fin s)).
Proof.
  destruct a as [x|], b as [y|]; simpl; try reflexivity. f_equal. unfold Rmin.
  destruct (Rle_dec x y), (Rle_dec (x + s) (y + s)); lra.
Qed.

(** c > 0 may be divided out. *)
Lemma ele_unscale c a b s :
  0 < c -> ele (escale c a) (eplus b (Fin s)) -> ele a (eplus (escale (1 / c) b) (Fin (s / c))).
Proof.
  intros Hc H. destruct b as [y|]; [|rewrite escale_Inf by (apply Rdiv_lt_0_compat; lra);
                                      apply ele_Inf].
  destruct a as [x|]; [|rewrite escale_Inf in H by exact Hc; contradiction].
  simpl in *. apply (Rmult_le_reg_l c); [exact Hc|].
  replace (c * (1 / c * y + s / c)) with (y + s) by (field; lra). exact H.
Qed.

Section TheoremTwo.

Variables (n k : nat) (Df Dh : nat -> R) (muf muh : nat -> nat -> R) (lam : R).
Local Notation weight := (weight Df Dh lam).
Local Notation P_lam := (P_lam Df Dh muf muh lam).
Local Notation objective := (objective n k Df Dh muf muh lam).
Local Notation within := (within n k Df Dh muf muh lam).

(** Σ_{x∈O} D̂(x) KL(μ̂(x)‖μ_f(x)); D̂ is 0 off its own support. *)
Definition proxy_divergence : ext :=
  expect n (fun x => if Rlt_dec 0 (Df x) then Dh x else 0) (fun x => KL k (muh x) (muf x)).

(** Σ_{x∈O} D_f(x) KL(μ_f(x)‖μ̂(x)) *)
Definition capability_divergence : ext :=
  expect n (fun x => if Rlt_dec 0 (Dh x) then Df x else 0) (fun x => KL k (muf x) (muh x)).

(** The comparators of (a) and (b) *)
Definition capability_first (x : nat) : nat -> R := if Rlt_dec 0 (Df x) then muf x else muh x.
Definition proxy_first (x : nat) : nat -> R := if Rlt_dec 0 (Dh x) then muh x else muf x.

Hypothesis Df_nonneg : nonneg n Df.
Hypothesis Dh_nonneg : nonneg n Dh.
Hypothesis muf_kernel : kernel n k muf.
Hypothesis muh_kernel : kernel n k muh.

Lemma capability_first_kernel : kernel n k capability_first.
Proof using muf_kernel muh_kernel.
  intros x Hx. unfold capability_first. destruct (Rlt_dec 0 (Df x)); auto.
Qed.

Lemma proxy_first_kernel : kernel n k proxy_first.
Proof using muf_kernel muh_kernel.
  intros x Hx. unfold proxy_first. destruct (Rlt_dec 0 (Dh x)); auto.
Qed.

(** The objectives of the comparators, exactly *)
Lemma objective_capability_first : objective capability_first = escale lam proxy_divergence.
Proof using Df_nonneg muf_kernel muh_kernel.
  unfold Finite.objective. replace (gap n k Df muf capability_first) with (Fin 0).
  - rewrite eplus_0_l. f_equal. apply esum_ext; intros x Hx. unfold capability_first.
    destruct (Rlt_dec 0 (Df x)); [reflexivity|].
    rewrite KL_self, escale_0 by auto. simpl. f_equal. ring.
  - rewrite <- (sum_0 n), <- esum_Fin. apply esum_ext; intros x Hx. unfold capability_first.
    destruct (Rlt_dec 0 (Df x)) as [H|H].
    + rewrite KL_self by auto. simpl. f_equal. ring.
    + specialize (Df_nonneg x Hx). replace (Df x) with 0 by lra. rewrite escale_0. reflexivity.
Qed.

Lemma objective_proxy_first : objective proxy_first = capability_divergence.
Proof using Dh_nonneg muf_kernel muh_kernel.
  unfold Finite.objective. replace (gap n k Dh muh proxy_first) with (Fin 0).
  - simpl escale. rewrite Rmult_0_r, eplus_0_r. apply esum_ext; intros x Hx. unfold proxy_first.
    destruct (Rlt_dec 0 (Dh x)); [reflexivity|].
    rewrite KL_self, escale_0 by auto. simpl. f_equal. ring.
  - rewrite <- (sum_0 n), <- esum_Fin. apply esum_ext; intros x Hx. unfold proxy_first.
    destruct (Rlt_dec 0 (Dh x)) as [H|H].
    + rewrite KL_self by auto. simpl. f_equal. ring.
    + specialize (Dh_nonneg x Hx). replace (Dh x) with 0 by lra. rewrite escale_0. reflexivity.
Qed.

(** ** The capability side *)
Section Capability.

Hypothesis lam_nonneg : 0 <= lam.

(** (a) G_f(P) <= λ Σ_{x∈O} D̂(x) KL(μ̂(x)‖μ_f(x)) + slack *)
Theorem theorem2_a slack P :
  within slack P -> kernel n k P ->
  ele (gap n k Df muf P) (eplus (escale lam proxy_divergence) (Fin slack)).
Proof using All.
  intros HP KP. rewrite <- objective_capability_first.
  apply capability_by_comparator; auto using capability_first_kernel.
Qed.

(** (b) G_f(P) <= Σ_{x∈O} D_f(x) KL(μ_f(x)‖μ̂(x)) + slack *)
Theorem theorem2_b slack P :
  within slack P -> kernel n k P ->
  ele (gap n k Df muf P) (eplus capability_divergence (Fin slack)).
Proof using All.
  intros HP KP. rewrite <- objective_proxy_first.
  apply capability_by_comparator; auto using proxy_first_kernel.
Qed.

(** (c) G_f(P_λ) <= E_{x~D_f} log 1/w(x), which needs no responses and is always finite *)
Theorem theorem2_c :
  ele (gap n k Df muf P_lam) (expect n Df (fun x => log_inverse (weight x))).
Proof using All.
  apply expect_le; [exact Df_nonneg|]. intros x Hx _. apply KL_mix_le; auto.
  - apply (weight_range n); assumption.
  - apply (muh_kernel x Hx).
Qed.

(** (d) G_f(P) <= G_f(P_λ) + λĜ_s(P_λ) + slack *)
Theorem theorem2_d slack P :
  within slack P -> kernel n k P ->
  ele (gap n k Df muf P) (eplus (objective P_lam) (Fin slack)).
Proof using All.
  intros HP KP. apply capability_by_comparator; auto using P_lam_kernel.
Qed.

(** Theorem 2, refined: G_f(P_λ) <= min of (a), (b), (c) and (d) *)
Theorem theorem2_refined :
  ele (gap n k Df muf P_lam)
      (emin (emin (escale lam proxy_divergence) capability_divergence)
            (emin (expect n Df (fun x => log_inverse (weight x))) (objective P_lam))).
Proof using All.
  pose proof (P_lam_within n k Df Dh muf muh lam) as W.
  assert (K : kernel n k P_lam) by (apply P_lam_kernel; assumption).
  rewrite !emin_glb. repeat split.
  - rewrite <- (eplus_0_r (escale lam _)). apply theorem2_a; assumption.
  - rewrite <- (eplus_0_r capability_divergence). apply theorem2_b; assumption.
  - apply theorem2_c.
  - rewrite <- (eplus_0_r (objective P_lam)). apply theorem2_d; assumption.
Qed.

(** With slack, (c) drops out: G_f(P) <= min of (a), (b) and (d), plus the slack *)
Theorem theorem2_refined_slack slack P :
  within slack P -> kernel n k P ->
  ele (gap n k Df muf P)
      (eplus (emin (emin (escale lam proxy_divergence) capability_divergence) (objective P_lam))
             (Fin slack)).
Proof using All.
  intros HP KP. rewrite !emin_plus, !emin_glb.
  auto using theorem2_a, theorem2_b, theorem2_d.
Qed.

(** Where the capability data reach, 1/w = 1 + λD̂/D_f: (c) is E_{D_f} log(1 + λD̂/D_f). *)
Lemma inverse_weight x :
  (x < n)%nat -> 0 < Df x -> 1 / weight x = 1 + lam * Dh x / Df x.
Proof using Dh_nonneg lam_nonneg.
  intros Hx H. pose proof (lamDh_nonneg n Dh lam Dh_nonneg lam_nonneg x Hx).
  unfold Finite.weight, share. destruct (Rlt_dec 0 (Df x + lam * Dh x)); [|lra].
  field. split; lra.
Qed.

Lemma log_inverse_weight x :
  (x < n)%nat -> 0 < Df x -> log_inverse (weight x) = Fin (ln (1 + lam * Dh x / Df x)).
Proof using Dh_nonneg lam_nonneg.
  intros Hx H. rewrite log_inverse_pos.
  - rewrite inverse_weight by assumption. reflexivity.
  - apply share_pos; [exact H|]. apply (lamDh_nonneg n); assumption.
Qed.

End Capability.

(** ** The proxy side *)
Section Proxy.

Hypothesis lam_pos : 0 < lam.

Lemma proxy_by_comparator slack P Q :
  within slack P -> kernel n k P -> kernel n k Q ->
  ele (gap n k Dh muh P) (eplus (escale (1 / lam) (objective Q)) (Fin (slack / lam))).
Proof using All.
  intros HP KP KQ. apply ele_unscale; [exact lam_pos|]. apply ele_trans with (objective P).
  - apply ele_plus_r. apply gap_nonneg; assumption.
  - apply within_comparator; auto. lra.
Qed.

(** With slack: Ĝ_s(P) <= Σ_{x∈O} D̂(x) KL(μ̂(x)‖μ_f(x)) + slack/λ *)
Lemma theorem2_proxy_a_slack slack P :
  within slack P -> kernel n k P ->
  ele (gap n k Dh muh P) (eplus proxy_divergence (Fin (slack / lam))).
Proof using All.
  intros HP KP. rewrite <- (escale_1 proxy_divergence).
  replace 1 with (1 / lam * lam) at 1 by (field; lra).
  rewrite <- escale_escale, <- objective_capability_first
    by (lra || (left; apply Rdiv_lt_0_compat; lra)).
  apply proxy_by_comparator; auto using capability_first_kernel.
Qed.

(** and Ĝ_s(P) <= (1/λ) Σ_{x∈O} D_f(x) KL(μ_f(x)‖μ̂(x)) + slack/λ *)
Lemma theorem2_proxy_b_slack slack P :
  within slack P -> kernel n k P ->
  ele (gap n k Dh muh P)
      (eplus (escale (1 / lam) capability_divergence) (Fin (slack / lam))).
Proof using All.
  intros HP KP. rewrite <- objective_proxy_first.
  apply proxy_by_comparator; auto using proxy_first_kernel.
Qed.

(** (a) Ĝ_s(P_λ) <= Σ_{x∈O} D̂(x) KL(μ̂(x)‖μ_f(x)) *)
Theorem theorem2_proxy_a : ele (gap n k Dh muh P_lam) proxy_divergence.
Proof using All.
  rewrite <- (eplus_0_r proxy_divergence). replace 0 with (0 / lam) by (field; lra).
  apply theorem2_proxy_a_slack; [apply P_lam_within|]. apply P_lam_kernel; auto; lra.
Qed.

(** (b) Ĝ_s(P_λ) <= (1/λ) Σ_{x∈O} D_f(x) KL(μ_f(x)‖μ̂(x)) *)
Theorem theorem2_proxy_b :
  ele (gap n k Dh muh P_lam) (escale (1 / lam) capability_divergence).
Proof using All.
  rewrite <- (eplus_0_r (escale (1 / lam) _)). replace 0 with (0 / lam) by (field; lra).
  apply theorem2_proxy_b_slack; [apply P_lam_within|]. apply P_lam_kernel; auto; lra.
Qed.

(** (c) Ĝ_s(P_λ) <= E_{x~D̂} log 1/(1-w(x)) *)
Theorem theorem2_proxy_c :
  ele (gap n k Dh muh P_lam) (expect n Dh (fun x => log_inverse (1 - weight x))).
Proof using All.
  apply expect_le; [exact Dh_nonneg|]. intros x Hx _. apply KL_mix_le_other; auto.
  - apply (weight_range n); auto; lra.
  - apply (muf_kernel x Hx).
Qed.

(** The three together: Ĝ_s(P_λ) <= min of (a), (b) and (c) *)
Theorem theorem2_proxy_side :
  ele (gap n k Dh muh P_lam)
      (emin (emin proxy_divergence (escale (1 / lam) capability_divergence))
            (expect n Dh (fun x => log_inverse (1 - weight x)))).
Proof using All.
  rewrite !emin_glb. auto using theorem2_proxy_a, theorem2_proxy_b, theorem2_proxy_c.
Qed.

(** E_{x~D̂} log 1/(1-w(x)) <= D_f(O)/λ: the proxy gap vanishes like 1/λ. *)
Theorem theorem2_c_le_overlap :
  ele (expect n Dh (fun x => log_inverse (1 - weight x)))
      (Fin (sum n (fun x => if Rlt_dec 0 (Dh x) then Df x else 0) / lam)).
Proof using Df_nonneg Dh_nonneg lam_pos.
  unfold Rdiv. rewrite Rmult_comm, <- sum_scal, <- esum_Fin. apply esum_le; intros x Hx.
  destruct (Rlt_dec 0 (Dh x)) as [H|H].
  - rewrite (log_inverse_other_weight n) by assumption. simpl.
    pose proof (Rmult_lt_0_compat lam (Dh x) lam_pos H) as Hl.
    assert (H0 : 0 <= Df x / (lam * Dh x)).
    { apply Rmult_le_pos; [auto|]. left. apply Rinv_0_lt_compat, Hl. }
    pose proof (ln_le_sub1 (1 + Df x / (lam * Dh x))) as L.
    replace (/ lam * Df x) with (Dh x * (1 + Df x / (lam * Dh x) - 1)) by (field; lra).
    apply Rmult_le_compat_l; lra.
  - specialize (Dh_nonneg x Hx). replace (Dh x) with 0 by lra. rewrite escale_0. simpl. lra.
Qed.

End Proxy.

End TheoremTwo.
