(** * One problem with rational tables

    Three prompts, two responses, λ = 2: a prompt that both training sources reach, one that the proxy
    alone reaches, one that the capability data alone reach. The zeros are on purpose: D is 0 where D̂ is,
    μ avoids a response that μ̂ gives, a divergence that never counts is infinite. A test evaluates the
    same tables in Python. *)
Require Import Reals Lra Lia List.
From Tradeoffbounds Require Import FinSum Extended Divergence Finite Theorem1 Theorem2
  ClassifierBound Information Theorem4 LowerEnds PriorShift Preference.
Import ListNotations.
Open Scope R_scope.

(** ** The problem *)
Definition ex_D : list R := [1/2; 1/2; 0].
Definition ex_mu : list (list R) := [[0; 1]; [1/2; 1/2]; [0; 1]].
Definition ex_Dh : list R := [3/4; 1/4; 0].
Definition ex_muh : list (list R) := [[1/6; 5/6]; [3/4; 1/4]; [0; 1]].
Definition ex_Df : list R := [1/2; 0; 1/2].
Definition ex_muf : list (list R) := [[1/2; 1/2]; [0; 1]; [1; 0]].
Definition ex_lam : R := 2.

(** What the pointwise optimum turns out to be, and its weights *)
Definition ex_opt : list (list R) := [[1/4; 3/4]; [3/4; 1/4]; [1; 0]].
Definition ex_weight : list R := [1/4; 0; 1].

(** Another policy, a reference that it is tuned from with β = 1/2, and two classifiers *)
Definition ex_P : list (list R) := [[1/3; 2/3]; [1/2; 1/2]; [3/4; 1/4]].
Definition ex_Pref : list (list R) := [[1/4; 3/4]; [1/3; 2/3]; [1/2; 1/2]].
Definition ex_beta : R := 1/2.
Definition ex_q : list R := [1/3; 1/5; 3/4].
Definition ex_s : list (list R) := [[1/3; 1/4]; [0; 0]; [1; 1]].

(** B and C of A1, and the largest implicit reward |r̂| *)
Definition ex_B : R := ln (4/3).
Definition ex_C : R := ln (3/2).
Definition ex_rmax : R := 1/2 * ln (3/2).

Definition row (l : list R) (x : nat) : R := nth x l 0.
Definition table (l : list (list R)) (x y : nat) : R := nth y (nth x l []) 0.

(** In the notation of the theory *)
Module Names.
Notation D := (row ex_D).
Notation Dh := (row ex_Dh).
Notation Df := (row ex_Df).
Notation mu := (table ex_mu).
Notation muh := (table ex_muh).
Notation muf := (table ex_muf).
Notation lam := ex_lam.
Notation w := (weight Df Dh lam).
Notation P_opt := (P_lam Df Dh muf muh lam).
Notation J := (objective 3 2 Df Dh muf muh lam).
Notation p := (joint Df Dh muf muh lam).
Notation P := (table ex_P).
Notation Pref := (table ex_Pref).
Notation q := (row ex_q).
Notation s := (table ex_s).
End Names.
Import Names.

(** ** Tactics *)

(** One case for each index below its bound *)
Ltac each i :=
  match goal with
  | H : (i < 0)%nat |- _ => lia
  | H : (S i < S _)%nat |- _ => apply Nat.succ_lt_mono in H; each i
  | H : (i < S _)%nat |- _ =>
    destruct i as [|i]; [clear H | apply Nat.succ_lt_mono in H; each i]
  end.

(** The tables, entry by entry *)
Ltac entries :=
  cbn [nth row table joint ex_D ex_mu ex_Dh ex_muh ex_Df ex_muf ex_opt ex_weight
       ex_P ex_Pref ex_q ex_s];
  unfold ex_lam, ex_B, ex_C, ex_rmax, ex_beta.

(** What a comparison of two numbers decides, inner ones first *)
Ltac decide_signs :=
  repeat match goal with
  | |- context [Rlt_dec ?a ?b] =>
    lazymatch b with
    | context [Rlt_dec _ _] => fail
    | _ => destruct (Rlt_dec a b) as [?L|?L]; try (exfalso; lra)
    end
  | |- context [Rcase_abs ?a] => destruct (Rcase_abs a) as [?L|?L]; try (exfalso; lra)
  end.

(** Every term of a divergence, by the signs of its entries *)
Ltac kl_terms :=
  repeat match goal with
  | |- context [kl_term ?x ?y] =>
    first [ rewrite (kl_term_pos x y) by lra
          | rewrite (kl_term_Inf x y) by lra
          | replace (kl_term x y) with (Fin 0)
              by (replace x with 0 by lra; symmetry; apply kl_term_0) ]
  end.

(** Logarithms of equal numbers are equal: each on the left is written like one on the right, or is
    log 1. *)
Ltac same_logs :=
  repeat match goal with
  | |- ?l = ?r => match l with context [ln ?a] => match r with context [ln ?b] =>
      tryif constr_eq a b then fail else replace (ln a) with (ln b) by (f_equal; lra) end end
  end;
  repeat match goal with
  | |- context [ln ?a] =>
      replace (ln a) with 0 by (transitivity (ln 1); [symmetry; exact ln_1 | f_equal; lra])
  end.

Ltac closed_form :=
  unfold Rabs; decide_signs; kl_terms; cbn [escale eplus];
  decide_signs; cbn [escale eplus]; try apply f_equal; same_logs; lra.

(** ** The tables are what they should be *)
Ltac check_row := split; [intros i Hi; each i; entries; lra | cbn [sum]; entries; lra].

Lemma D_dist : dist 3 D. Proof. check_row. Qed.
Lemma Dh_dist : dist 3 Dh. Proof. check_row. Qed.
Lemma Df_dist : dist 3 Df. Proof. check_row. Qed.
Lemma mu_kernel : kernel 3 2 mu. Proof. intros x Hx; each x; check_row. Qed.
Lemma muh_kernel : kernel 3 2 muh. Proof. intros x Hx; each x; check_row. Qed.
Lemma muf_kernel : kernel 3 2 muf. Proof. intros x Hx; each x; check_row. Qed.
Lemma ex_P_kernel : kernel 3 2 P. Proof. intros x Hx; each x; check_row. Qed.
Lemma ex_Pref_kernel : kernel 3 2 Pref. Proof. intros x Hx; each x; check_row. Qed.
Lemma lam_pos : 0 < lam. Proof. unfold ex_lam. lra. Qed.
Lemma lam_nonneg : 0 <= lam. Proof. unfold ex_lam. lra. Qed.
Lemma D_nonneg : nonneg 3 D. Proof. apply D_dist. Qed.
Lemma Dh_nonneg : nonneg 3 Dh. Proof. apply Dh_dist. Qed.
Lemma Df_nonneg : nonneg 3 Df. Proof. apply Df_dist. Qed.

#[export] Hint Resolve D_dist Dh_dist Df_dist mu_kernel muh_kernel muf_kernel ex_P_kernel
  ex_Pref_kernel lam_pos lam_nonneg D_nonneg Dh_nonneg Df_nonneg : tables.

Lemma P_opt_kernel : kernel 3 2 P_opt.
Proof. apply P_lam_kernel; auto with tables. Qed.
#[export] Hint Resolve P_opt_kernel : tables.
