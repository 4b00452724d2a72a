#!/usr/bin/env bash
# Compile every proof, re-check the compiled files with coqchk, and ask Coq what each theorem rests on.
set -euo pipefail
cd "$(dirname "$0")/coq"
export LC_ALL=C

# The axioms by which Coq's standard library makes the real numbers, and no other.
ALLOWED="ClassicalDedekindReals.sig_forall_dec
ClassicalDedekindReals.sig_not_dec
Classical_Prop.classic
FunctionalExtensionality.functional_extensionality_dep"

if ! command -v coqc >/dev/null || ! command -v make >/dev/null; then
    echo "Installing Coq from Debian's packages."
    as_root=; [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq --no-install-recommends coq make >/dev/null
fi

# Every file here is a file of the project, and the other way round.
diff <(grep '\.v$' _CoqProject | sort) <(ls ./*.v | sed 's|^\./||' | sort)

if grep -nE '\b(Admitted|admit|Axioms?|Conjecture|Parameters?|Abort|bypass_check)\b' ./*.v; then
    echo "A proof is missing, or assumed." >&2
    exit 1
fi

coq_makefile -f _CoqProject -o CoqMakefile
make --no-print-directory -f CoqMakefile -j "$(nproc)"

modules=$(sed -n 's/\.v$//p' _CoqProject)
summary=$(coqchk -silent -o -Q . Tradeoffbounds $(printf 'Tradeoffbounds.%s ' $modules) 2>&1)
echo "$summary"
axioms=$(sed -n '/^\* Axioms:/,/^\* Constants/{s/^    \([^ ]*\)$/\1/p}' <<<"$summary" | sed -E 's/^Coq\.(Logic|Reals)\.//' | sort)
[ "$axioms" = "$ALLOWED" ] || { echo "coqchk found other axioms than the four of the reals." >&2; exit 1; }
[ "$(grep -c '<none>' <<<"$summary")" = 3 ] || { echo "coqchk found something unsafe." >&2; exit 1; }

# All theorems by name in one question, so that nothing in these files rests on more.
theorems=$(for module in $modules; do
    sed -nE "s/^(Theorem|Corollary|Example) ([A-Za-z0-9_]+).*/@$module.\\2/p" "$module.v"
done)
question=$(mktemp -d)
trap 'rm -rf "$question"' EXIT
{
    printf 'From Tradeoffbounds Require Import %s.\n' "$(echo $modules)"
    printf 'Definition all := (%s).\nPrint Assumptions all.\n' "$(echo $theorems | sed 's/ /, /g')"
} >"$question/Question.v"
answer=$(coqc -Q . Tradeoffbounds "$question/Question.v")
# An axiom's name stands at the start of a line, before its type.
named=$(sed -nE '1!s/^([A-Za-z_.]+)( :.*)?$/\1/p' <<<"$answer" | sed -E 's/^(Coq\.)?(Logic|Reals)\.//' | sort)
[ "$named" = "$ALLOWED" ] || { printf 'Theorems rest on other axioms:\n%s\n' "$answer" >&2; exit 1; }
echo "$(wc -w <<<"$theorems") theorems and examples: proved, re-checked, and none rests on more than the reals' four axioms."
