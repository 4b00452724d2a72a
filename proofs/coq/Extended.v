(** * Reals with +∞

    A divergence is +∞ where its first argument reaches what its second does not. Coq's [ln] and [/] are
    total, so a real-valued divergence would be some finite number there, and a theorem could hold by it.
    Here it is [Inf], in the statement itself. *)
Require Import Reals Lra Lia.
From Tradeoffbounds Require Import FinSum.
Open Scope R_scope.

Inductive ext := Fin (x : R) | Inf.

Definition ele (a b : ext) : Prop :=
  match a, b with
  | _, Inf => True
  | Fin x, Fin y => x <= y
  | Inf, Fin _ => False
  end.

Definition eplus (a b : ext) : ext :=
  match a, b with
  | Fin x, Fin y => Fin (x + y)
  | _, _ => Inf
  end.

(** c · a for c >= 0, with 0 · ∞ = 0: a prompt that never comes costs nothing. *)
Definition escale (c : R) (a : ext) : ext :=
  match a with
  | Fin x => Fin (c * x)
  | Inf => if Rlt_dec 0 c then Inf else Fin 0
  end.

Fixpoint esum (n : nat) (f : nat -> ext) : ext :=
  match n with
  | O => Fin 0
  | S m => eplus (esum m f) (f m)
  end.

(** log 1/v of a probability v, +∞ at 0. *)
Definition log_inverse (v : R) : ext := if Rlt_dec 0 v then Fin (ln (1 / v)) else Inf.

Declare Scope ext_scope.
Delimit Scope ext_scope with ext.
Infix "<=" := ele : ext_scope.
Infix "+" := eplus : ext_scope.
Infix "*" := escale : ext_scope.
Bind Scope ext_scope with ext.
Arguments escale c%R a%ext.
Arguments Fin x%R.

(** ** Order *)
Lemma ele_refl a : ele a a.
Proof. destruct a; simpl; [lra | exact I]. Qed.

Lemma ele_eq a b : a = b -> ele a b.
Proof. intros ->. apply ele_refl. Qed.

Lemma ele_trans a b c : ele a b -> ele b c -> ele a c.
Proof. destruct a, b, c; simpl; auto; try lra; tauto. Qed.

Lemma ele_antisym a b : ele a b -> ele b a -> a = b.
Proof. destruct a, b; simpl; try tauto. intros; f_equal; lra. Qed.

Lemma ele_Inf a : ele a Inf.
Proof. destruct a; exact I. Qed.

Lemma eplus_le a b c d : ele a b -> ele c d -> ele (eplus a c) (eplus b d).
Proof. destruct a, b, c, d; simpl; auto; try lra; tauto. Qed.

Lemma escale_le c a b : 0 <= c -> ele a b -> ele (escale c a) (escale c b).
Proof.
  intros Hc. destruct a, b; simpl; try tauto.
  - intros. apply Rmult_le_compat_l; assumption.
  - destruct (Rlt_dec 0 c); simpl; [tauto|]. replace c with 0 by lra. lra.
  - intros. apply ele_refl.
Qed.

Lemma ele_plus_l a b : ele (Fin 0) b -> ele a (eplus a b).
Proof. destruct a, b; simpl; auto; lra. Qed.

Lemma ele_plus_r a b : ele (Fin 0) a -> ele b (eplus a b).
Proof. destruct a, b; simpl; auto; lra. Qed.

(** A finite number may be cancelled. *)
Lemma ele_cancel x a b : ele (eplus (Fin x) a) (eplus (Fin x) b) -> ele a b.
Proof. destruct a, b; simpl; auto; lra. Qed.

(** ** Algebra *)
Lemma eplus_comm a b : eplus a b = eplus b a.
Proof. destruct a, b; simpl; auto. f_equal; lra. Qed.

Lemma eplus_assoc a b c : eplus a (eplus b c) = eplus (eplus a b) c.
Proof. destruct a, b, c; simpl; auto. f_equal; lra. Qed.

Lemma eplus_0_l a : eplus (Fin 0) a = a.
Proof. destruct a; simpl; auto. f_equal; lra. Qed.

Lemma eplus_0_r a : eplus a (Fin 0) = a.
Proof. destruct a; simpl; auto. f_equal; lra. Qed.

(** (a + b) + (c + d) = (a + c) + (b + d) *)
Lemma eplus_4 a b c d : eplus (eplus a b) (eplus c d) = eplus (eplus a c) (eplus b d).
Proof. destruct a, b, c, d; simpl; auto. f_equal; lra. Qed.

Lemma escale_0 a : escale 0 a = Fin 0.
Proof. destruct a; simpl; [f_equal; lra|]. destruct (Rlt_dec 0 0); [lra|reflexivity]. Qed.

Lemma escale_1 a : escale 1 a = a.
Proof. destruct a; simpl; [f_equal; lra|]. destruct (Rlt_dec 0 1); [reflexivity|lra]. Qed.

Lemma escale_Inf c : 0 < c -> escale c Inf = Inf.
Proof. intros; simpl. destruct (Rlt_dec 0 c); [reflexivity|lra]. Qed.

Lemma escale_plus c a b : 0 <= c -> escale c (eplus a b) = eplus (escale c a) (escale c b).
Proof.
  intros [Hc|<-]; [|rewrite !escale_0, eplus_0_l; reflexivity].
  destruct a, b; rewrite ?escale_Inf by exact Hc; simpl; rewrite ?escale_Inf by exact Hc; simpl;
    try (destruct (Rlt_dec 0 c); [|lra]); auto; f_equal; ring.
Qed.

Lemma escale_add c d a : 0 <= c -> 0 <= d -> escale (c + d) a = eplus (escale c a) (escale d a).
Proof.
  intros Hc Hd. destruct a as [x|]; simpl; [f_equal; ring|].
  destruct (Rlt_dec 0 c), (Rlt_dec 0 d), (Rlt_dec 0 (c + d)); simpl; auto; try lra. f_equal; lra.
Qed.

Lemma escale_escale c d a : 0 <= c -> 0 <= d -> escale c (escale d a) = escale (c * d) a.
Proof.
  intros Hc Hd. destruct a as [x|]; simpl; [f_equal; ring|].
  destruct (Rlt_dec 0 d) as [H|H]; simpl.
  - destruct (Rlt_dec 0 c), (Rlt_dec 0 (c * d)) as [H'|H']; auto.
    + exfalso; apply H'. apply Rmult_lt_0_compat; assumption.
    + replace c with 0 in H' by lra. lra.
  - replace d with 0 by lra. rewrite Rmult_0_r. destruct (Rlt_dec 0 0); [lra|]. f_equal; ring.
Qed.

Lemma escale_nonneg c a : 0 <= c -> ele (Fin 0) a -> ele (Fin 0) (escale c a).
Proof. intros Hc Ha. rewrite <- (Rmult_0_r c). apply (escale_le c (Fin 0)); assumption. Qed.

(** ** Sums *)
Lemma esum_ext n f g : (forall i, (i < n)%nat -> f i = g i) -> esum n f = esum n g.
Proof.
  induction n as [|n IH]; intros H; simpl; [reflexivity|].
  rewrite IH, (H n) by (intros; try apply H; lia). reflexivity.
Qed.

Lemma esum_Fin n f : esum n (fun i => Fin (f i)) = Fin (sum n f).
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; reflexivity. Qed.

Lemma esum_le n f g : (forall i, (i < n)%nat -> ele (f i) (g i)) -> ele (esum n f) (esum n g).
Proof.
  induction n as [|n IH]; intros H; [apply ele_refl|]; simpl.
  apply eplus_le; [apply IH; intros; apply H; lia | apply H; lia].
Qed.

Lemma esum_plus n f g : esum n (fun i => eplus (f i) (g i)) = eplus (esum n f) (esum n g).
Proof. induction n as [|n IH]; simpl; [f_equal; lra|]. rewrite IH. apply eplus_4. Qed.

Lemma esum_scale n c f : 0 <= c -> esum n (fun i => escale c (f i)) = escale c (esum n f).
Proof.
  intros Hc. induction n as [|n IH]; simpl; [f_equal; ring|].
  rewrite IH, escale_plus by exact Hc. reflexivity.
Qed.

Lemma esum_nonneg n f : (forall i, (i < n)%nat -> ele (Fin 0) (f i)) -> ele (Fin 0) (esum n f).
Proof.
  intros H. apply ele_trans with (esum n (fun _ => Fin 0)).
  - rewrite esum_Fin, sum_0. apply ele_refl.
  - apply esum_le, H.
Qed.

(** A sum is finite when each term is, and then it is the sum of the values. *)
Lemma esum_finite n f :
  (forall i, (i < n)%nat -> exists x, f i = Fin x) -> exists s, esum n f = Fin s.
Proof.
  induction n as [|n IH]; intros H; simpl; [exists 0; reflexivity|].
  destruct IH as [s ->]; [intros; apply H; lia|]. destruct (H n) as [x ->]; [lia|].
  exists (s + x). reflexivity.
Qed.

Lemma esum_finite_inv n f s :
  esum n f = Fin s -> forall i, (i < n)%nat -> exists x, f i = Fin x.
Proof.
  revert s. induction n as [|n IH]; intros s H i Hi; [lia|]. simpl in H.
  destruct (esum n f) as [t|] eqn:E; [|discriminate].
  destruct (f n) as [x|] eqn:En; [|discriminate].
  destruct (Nat.eq_dec i n) as [->|]; [exists x; exact En | apply (IH t); [reflexivity|lia]].
Qed.

(** Of non-negative terms with sum 0, each is 0. *)
Lemma esum_eq0 n f :
  (forall i, (i < n)%nat -> ele (Fin 0) (f i)) -> ele (esum n f) (Fin 0) ->
  forall i, (i < n)%nat -> f i = Fin 0.
Proof.
  induction n as [|n IH]; intros Hf Hs i Hi; [lia|]. simpl in Hs.
  assert (H0 : ele (Fin 0) (esum n f)) by (apply esum_nonneg; auto).
  assert (Hn : ele (Fin 0) (f n)) by (apply Hf; lia).
  destruct (esum n f) as [s|] eqn:E; [|contradiction].
  destruct (f n) as [x|] eqn:En; [|contradiction]. simpl in H0, Hn, Hs.
  destruct (Nat.eq_dec i n) as [->|]; [rewrite En; f_equal; lra|].
  apply IH; [intros; apply Hf; lia | simpl; lra | lia].
Qed.
