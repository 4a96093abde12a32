//! `striate data check`

use std::path::Path;

use anyhow::Result;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use striate_data::{Check, CheckOptions, CheckProgress, Finding, Medium, Severity, Spec};
use striate_tensor::Error;
use striate_tensor::text::{counted, grouped, printable, printable_path};

use crate::arguments::DataCheck;
use crate::effect::refuse_given;
use crate::json;
use crate::output::Reported;
use crate::progress::job_bar;

/// Largest number of findings of a kind that are listed without --all.
const MOST_FINDINGS: usize = 10;
/// Largest number of files of a finding that are listed without --all.
const MOST_FILES: usize = 4;

pub fn run(args: DataCheck) -> Result<()> {
    let spec = spec(&args.data)?;
    if let Some(medium @ (Medium::Sound | Medium::Text)) = spec.medium() {
        let flags = [("--max-pixels", args.max_pixels.is_some()), ("--near", args.near.is_some())];
        refuse_given(&flags, &format!("applies to images, but the data set has {}s", medium.name()))?;
    }
    let defaults = CheckOptions::default();
    let options = CheckOptions {
        max_pixels: args.max_pixels.unwrap_or(defaults.max_pixels),
        near: args.near.unwrap_or(defaults.near),
    };
    let bar = Bar(job_bar(0, "checking"));
    let check = striate_data::check(&spec, &options, &bar);
    bar.0.finish_and_clear();
    let check = check?;
    match args.json {
        true => json::print(&check_json(&args.data, &options, &check))?,
        false => print(&args.data, &check, args.all),
    }
    match check.count(Severity::Error) {
        0 => Ok(()),
        _ => Err(Reported.into()),
    }
}

/// The data set that is checked; the name of a folder need not be Unicode.
fn spec(data: &Path) -> Result<Spec> {
    if data.is_dir() {
        return Ok(Spec::Folder(data.to_owned()));
    }
    match data.to_str().map(Spec::parse) {
        Some(Ok(spec)) => Ok(spec),
        Some(Err(error)) => Err(error.into()),
        None => {
            let data = printable_path(data);
            let what = "not a folder; specify a folder of images, list:FILE, audio:FOLDER, text:FILE or cifar10:FOLDER";
            Err(Error::input(format!("{data}: {what}")).into())
        }
    }
}

/// The bar on stderr.
struct Bar(ProgressBar);

impl CheckProgress for Bar {
    fn begin(&self, files: usize) {
        self.0.set_length(files as u64);
        self.0.reset_eta();
    }

    fn checked(&self) {
        self.0.inc(1);
    }

    fn comparing(&self) {
        self.0.set_prefix("comparing");
    }
}

/// Prints the findings by severity and kind, and a summary as the last line.
fn print(data: &Path, check: &Check, all: bool) {
    let same = |a: &Finding, b: &Finding| (a.severity, a.kind) == (b.severity, b.kind);
    for findings in check.findings.chunk_by(same) {
        let (severity, title) = (findings[0].severity.name(), findings[0].kind.title());
        println!("{severity}: {title}: {}", grouped(findings.len() as u64));
        let shown = if all { findings.len() } else { MOST_FINDINGS };
        findings.iter().take(shown).for_each(|finding| println!("  {}", line(finding, all)));
        if findings.len() > shown {
            println!("  … and {} more; --all or --json lists them", grouped((findings.len() - shown) as u64));
        }
    }
    println!("{}", summary(data, check));
}

/// Returns a finding as a line: the file and what is wrong with it, or what several files have in common.
fn line(Finding { message, files, copies, .. }: &Finding, all: bool) -> String {
    let message = printable(message);
    let distance = copies.and_then(|copies| copies.distance);
    let distance = match distance {
        None => String::new(),
        Some(0) => " (equal hashes)".to_owned(),
        Some(bits) => format!(" (hashes differ in up to {bits} of 64 bits)"),
    };
    match &files[..] {
        [] => message.into_owned(),
        [file] => {
            let file = printable_path(file);
            // Errors of opening a file name it already.
            if message.contains(&file) { message.into_owned() } else { format!("{file}: {message}") }
        }
        files => {
            let shown = if all { files.len() } else { MOST_FILES };
            let names: Vec<String> = files.iter().take(shown).map(|file| printable_path(file)).collect();
            let more = match files.len() > shown {
                true => format!(", … ({})", counted(files.len(), "file")),
                false => String::new(),
            };
            format!("{message}{distance}: {}{more}", names.join(", "))
        }
    }
}

fn summary(data: &Path, check: &Check) -> String {
    let unreadable = check.images - check.readable;
    let unreadable = match unreadable {
        0 => String::new(),
        count => format!(" ({} unreadable)", grouped(count as u64)),
    };
    let classes = match check.classes.len() {
        0 => String::new(),
        count => format!(" in {}", counted(count, "class")),
    };
    let medium = Medium::of(&data.to_string_lossy());
    let place = if medium == Medium::Text { "line" } else { "file" };
    format!(
        "{}: {}{unreadable}{classes} among {}: {}, {}, {}",
        printable_path(data),
        counted(check.images, medium.name()),
        counted(check.files, place),
        counted(check.count(Severity::Error), "error"),
        counted(check.count(Severity::Warning), "warning"),
        counted(check.count(Severity::Information), "note"),
    )
}

fn check_json(data: &Path, options: &CheckOptions, check: &Check) -> Value {
    let classes = check.classes.iter().map(|(name, n)| json!({ "name": name, "n": n }));
    let parts = check.parts.iter().map(|(name, n)| json!({ "name": name, "n": n }));
    json!({
        "data": json::path(data),
        "files": check.files,
        "images": check.images,
        "readable": check.readable,
        "classes": classes.collect::<Vec<_>>(),
        "parts": parts.collect::<Vec<_>>(),
        "near": options.near,
        "errors": check.count(Severity::Error),
        "warnings": check.count(Severity::Warning),
        "information": check.count(Severity::Information),
        "findings": check.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn finding_json(finding: &Finding) -> Value {
    let mut value = json!({
        "severity": finding.severity.name(),
        "kind": finding.kind.name(),
        "message": finding.message,
        "files": finding.files.iter().map(|file| json::path(file)).collect::<Vec<_>>(),
    });
    if let Some(copies) = finding.copies {
        value["across_parts"] = json!(copies.across_parts);
        value["across_classes"] = json!(copies.across_classes);
        value["distance"] = json!(copies.distance);
    }
    value
}
