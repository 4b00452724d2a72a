(** * Finite sums, distributions, total variation

    A family of n reals is a function on [nat] of which only the values below n are ever used. *)
Require Import Reals Lra Lia.
Open Scope R_scope.

(** [sum n f] is f 0 + ... + f (n-1). *)
Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with
  | O => 0
  | S m => sum m f + f m
  end.

Lemma sum_ext n f g : (forall i, (i < n)%nat -> f i = g i) -> sum n f = sum n g.
Proof.
  induction n as [|n IH]; intros H; simpl; [reflexivity|].
  rewrite IH, (H n) by (intros; try apply H; lia). reflexivity.
Qed.

Lemma sum_le n f g : (forall i, (i < n)%nat -> f i <= g i) -> sum n f <= sum n g.
Proof.
  induction n as [|n IH]; intros H; simpl; [lra|].
  apply Rplus_le_compat; [apply IH; intros; apply H; lia | apply H; lia].
Qed.

Lemma sum_plus n f g : sum n (fun i => f i + g i) = sum n f + sum n g.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_minus n f g : sum n (fun i => f i - g i) = sum n f - sum n g.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_scal n c f : sum n (fun i => c * f i) = c * sum n f.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_0 n : sum n (fun _ => 0) = 0.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; ring. Qed.

Lemma sum_nonneg n f : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= sum n f.
Proof. intros H. rewrite <- (sum_0 n). apply sum_le. exact H. Qed.

Lemma sum_eq0 n f :
  (forall i, (i < n)%nat -> 0 <= f i) -> sum n f = 0 -> forall i, (i < n)%nat -> f i = 0.
Proof.
  induction n as [|n IH]; intros Hf Hs i Hi; [lia|]. simpl in Hs.
  assert (0 <= sum n f) by (apply sum_nonneg; auto).
  assert (0 <= f n) by (apply Hf; lia).
  destruct (Nat.eq_dec i n) as [->|]; [lra|]. apply IH; auto; [lra|lia].
Qed.

(** One term of a sum of non-negative terms is at most the sum. *)
Lemma sum_term_le n f i : (forall j, (j < n)%nat -> 0 <= f j) -> (i < n)%nat -> f i <= sum n f.
Proof.
  induction n as [|n IH]; intros Hf Hi; [lia|]. simpl.
  assert (0 <= sum n f) by (apply sum_nonneg; auto).
  destruct (Nat.eq_dec i n) as [->|]; [lra|].
  assert (0 <= f n) by (apply Hf; lia).
  assert (f i <= sum n f) by (apply IH; auto; lia). lra.
Qed.

Lemma sum_swap n m (f : nat -> nat -> R) :
  sum n (fun i => sum m (fun j => f i j)) = sum m (fun j => sum n (fun i => f i j)).
Proof.
  induction n as [|n IH]; simpl; [rewrite sum_0; reflexivity|].
  rewrite IH, <- sum_plus. reflexivity.
Qed.

(** ** Distributions *)
Definition nonneg (n : nat) (f : nat -> R) := forall i, (i < n)%nat -> 0 <= f i.
Definition dist (n : nat) (f : nat -> R) := nonneg n f /\ sum n f = 1.

(** A kernel gives a distribution over k responses for each of n prompts. *)
Definition kernel (n k : nat) (mu : nat -> nat -> R) := forall x, (x < n)%nat -> dist k (mu x).

Lemma dist_le_1 n p i : dist n p -> (i < n)%nat -> p i <= 1.
Proof. intros [Hp Sp] Hi. rewrite <- Sp. apply sum_term_le; auto. Qed.

(** ** Total variation *)
Definition TV (n : nat) (p q : nat -> R) := / 2 * sum n (fun i => Rabs (p i - q i)).

Lemma TV_nonneg n p q : 0 <= TV n p q.
Proof.
  unfold TV. apply Rmult_le_pos; [lra|].
  apply sum_nonneg; intros; apply Rabs_pos.
Qed.

(** Two distributions weigh a function differently by at most its range times their total variation;
    the range matters only where one of them is positive. *)
Lemma TV_range n p q g lo hi :
  dist n p -> dist n q ->
  (forall i, (i < n)%nat -> 0 < p i \/ 0 < q i -> lo <= g i <= hi) ->
  sum n (fun i => p i * g i) <= sum n (fun i => q i * g i) + (hi - lo) * TV n p q.
Proof.
  intros [Np Hp] [Nq Hq] Hg.
  set (c := (lo + hi) / 2).
  assert (H : sum n (fun i => (p i - q i) * (g i - c))
              <= sum n (fun i => (hi - lo) / 2 * Rabs (p i - q i))).
  { apply sum_le. intros i Hi. specialize (Hg i Hi).
    destruct (Np i Hi) as [Pi|Pi]; [|destruct (Nq i Hi) as [Qi|Qi]].
    1,2: unfold c; apply Rle_trans with (1 := Rle_abs _); rewrite Rabs_mult, Rmult_comm;
      apply Rmult_le_compat_r; [apply Rabs_pos|]; apply Rabs_le; destruct Hg; [auto|lra].
    rewrite <- Pi, <- Qi, Rminus_0_r, Rabs_R0. lra. }
  rewrite sum_scal in H.
  assert (E : sum n (fun i => (p i - q i) * (g i - c))
              = sum n (fun i => p i * g i) - sum n (fun i => q i * g i)
                - c * (sum n p - sum n q)).
  { rewrite <- (sum_minus n p q), <- sum_scal, <- !sum_minus.
    apply sum_ext; intros; ring. }
  rewrite Hp, Hq in E. unfold TV. lra.
Qed.
