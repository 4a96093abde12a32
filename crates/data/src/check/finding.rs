//! What a check reports: findings with their severity and kind, in a fixed order.

use std::path::PathBuf;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Training or evaluation refuses the data, or their results would be misleading.
    Error,
    /// Probably not intended.
    Warning,
    /// Handled, but worth knowing.
    Information,
}

impl Severity {
    /// Returns the name of the severity.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "information",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $title:literal,)*) => {
        /// What a finding is about, in the order of reports.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingKind { $($(#[$doc])* $kind,)* }

        impl FindingKind {
            /// Returns the name of the kind for programs.
            pub fn name(self) -> &'static str {
                match self { $(FindingKind::$kind => $name,)* }
            }

            /// Returns the heading for findings of this kind.
            pub fn title(self) -> &'static str {
                match self { $(FindingKind::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    /// The folders cannot be read as parts and classes.
    Layout "layout" "folders",
    /// A line of a list that cannot be used.
    List "list" "lines of lists",
    /// A file or folder that cannot be opened.
    Unreadable "unreadable" "unreadable files",
    /// A file without content.
    Empty "empty" "empty files",
    /// A file that differs from the list of checksums.
    Checksum "checksum" "checksums",
    /// An image that ends too early.
    Truncated "truncated" "truncated images",
    /// An image with invalid content.
    Corrupt "corrupt" "corrupt images",
    /// An image of which a part is missing, though its file looks complete.
    Partial "partial" "images that decode only partly",
    /// A file that is named like an image, but has other content.
    NotAnImage "not-an-image" "not images",
    /// A format, or a variant of one, that cannot be read.
    Unsupported "unsupported" "unsupported formats",
    /// An image above the limit of pixels or memory.
    TooLarge "too-large" "too large images",
    /// Copies of an image.
    Duplicate "duplicate" "duplicates",
    /// Images that look like copies of each other.
    NearDuplicate "near-duplicate" "near duplicates",
    /// A class name that cannot be used.
    ClassName "class-name" "class names",
    /// A class without usable images.
    EmptyClass "empty-class" "empty classes",
    /// A class that occurs only outside the training part.
    UnknownClass "unknown-class" "classes missing in training",
    /// A class that a part lacks.
    MissingClass "missing-class" "missing classes",
    /// Classes of very different size.
    Imbalance "imbalance" "imbalance",
    /// A class with few images.
    TinyClass "tiny-class" "tiny classes",
    /// Names of classes or files that differ only in case.
    Case "case" "names that differ only in case",
    /// A name that does not end as the format suggests.
    WrongEnding "wrong-ending" "wrong endings",
    /// An image outside the folders of classes.
    Outside "outside" "images outside class folders",
    /// An unusual shape or size.
    OddSize "odd-size" "odd sizes",
    /// An image of one color.
    Blank "blank" "images of a single color",
    /// CMYK colors, which are converted.
    Cmyk "cmyk" "CMYK images",
    /// 16 bits per channel, which are reduced.
    Deep "16-bit" "16-bit images",
    /// An EXIF orientation, which is applied.
    Rotated "exif-rotated" "images turned by EXIF orientation",
    /// Files that are not images.
    Skipped "skipped" "skipped files",
    /// A part of the check that was not completed.
    Incomplete "incomplete" "incomplete checks",
}

/// One problem or observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How serious it is.
    pub severity: Severity,
    /// What it is about.
    pub kind: FindingKind,
    /// The reason, without the names of `files`.
    pub message: String,
    /// The files or folders concerned, sorted.
    pub files: Vec<PathBuf>,
    /// How the files are alike, if they are duplicates.
    pub copies: Option<Copies>,
}

/// How duplicates are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copies {
    /// Whether they are in several parts, such as training and test.
    pub across_parts: bool,
    /// Whether they are in several classes.
    pub across_classes: bool,
    /// The number of bits in which the hashes of near duplicates differ.
    pub distance: Option<u32>,
}

impl Finding {
    pub(super) fn new(severity: Severity, kind: FindingKind, message: impl Into<String>) -> Finding {
        Finding { severity, kind, message: message.into(), files: vec![], copies: None }
    }

    pub(super) fn error(kind: FindingKind, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Error, kind, message)
    }

    pub(super) fn warning(kind: FindingKind, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, kind, message)
    }

    pub(super) fn information(kind: FindingKind, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Information, kind, message)
    }

    /// Returns the finding about `files`.
    pub(super) fn of(self, files: impl IntoIterator<Item = PathBuf>) -> Finding {
        let mut files: Vec<PathBuf> = files.into_iter().collect();
        files.sort();
        Finding { files, ..self }
    }
}

/// Sorts findings: by severity and kind, duplicates across parts and then those across classes first, by path.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let rank = |finding: &Finding| {
            let copies = finding.copies;
            let within = |is: fn(Copies) -> bool| copies.is_some_and(|copies| !is(copies));
            (finding.severity, finding.kind, within(|c| c.across_parts), within(|c| c.across_classes))
        };
        rank(a).cmp(&rank(b)).then_with(|| (&a.files, &a.message).cmp(&(&b.files, &b.message)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_across_parts_come_first() {
        let copies = |across_parts, across_classes| {
            let copies = Copies { across_parts, across_classes, distance: None };
            Finding { copies: Some(copies), ..Finding::error(FindingKind::Duplicate, "") }
        };
        let mut all = vec![
            Finding::information(FindingKind::Cmyk, ""),
            copies(false, false),
            copies(false, true),
            copies(true, false),
            copies(true, true),
            Finding::error(FindingKind::Corrupt, "").of(["b".into()]),
            Finding::error(FindingKind::Corrupt, "").of(["a".into()]),
        ];
        sort(&mut all);
        let files: Vec<_> = all.iter().flat_map(|finding| &finding.files).collect();
        assert_eq!(files, [&PathBuf::from("a"), &PathBuf::from("b")]);
        let order: Vec<_> = all.iter().filter_map(|finding| finding.copies).collect();
        let order: Vec<_> = order.iter().map(|copies| (copies.across_parts, copies.across_classes)).collect();
        assert_eq!(order, [(true, true), (true, false), (false, true), (false, false)]);
        assert_eq!(all.last().unwrap().kind, FindingKind::Cmyk);
    }
}
