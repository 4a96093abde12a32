//! `striate history`

mod charts;
mod lineage;
mod measured;
mod page;

use anyhow::Result;
use serde_json::{Value, json};
use striate_models::history::{self, Claim, Counts, MILESTONES, Milestone, PublishedError};
use striate_tensor::text::printable_path;

use crate::arguments::History;
use crate::json;
use crate::output::{grouped, table};
use crate::outputs::{Output, check, write_file};
use crate::verbs::experiments;

/// A milestone with the figures counted in its network's graph.
struct Counted {
    milestone: &'static Milestone,
    counts: Option<Counts>,
}

pub fn run(args: History) -> Result<()> {
    check(args.html.iter().map(|page| Output::page("--html", page)), &[])?;
    let counted = |milestone: &'static Milestone| Ok(Counted { milestone, counts: milestone.counts()? });
    let entries = MILESTONES.iter().map(counted).collect::<Result<Vec<_>>>()?;
    let claims = history::claims()?;
    if let Some(path) = &args.html {
        let experiments = experiments::shipped()?;
        write_file(path, page::page(&entries, &claims, &experiments).as_bytes())?;
        eprintln!("wrote {}", printable_path(path));
    }
    if args.json {
        return Ok(json::print(&as_json(&entries, &claims))?);
    }
    if args.html.is_none() {
        print!("{}", text(&entries, &claims));
    }
    Ok(())
}

fn text(entries: &[Counted], claims: &[Claim]) -> String {
    let mut text = format!("{}\n", sizes(entries));
    text += "Layers are convolutions and linear layers on the longest path. Params, MACs and neurons are counted\n";
    text += "in the networks of `striate models`; figures in words are those stated by the authors.\n";
    text += &format!("\n{}\n", errors(entries));
    text +=
        "These are the lowest errors published by the authors; the size of an ensemble is in parentheses.\n";
    text += "\nCommon claims, and what counting gives:\n\n";
    for claim in claims {
        text += &wrapped("  ", claim.claim);
        text += &wrapped("    ", &format!("{}: {}", claim.verdict.label(), claim.counted));
    }
    text
}

fn sizes(entries: &[Counted]) -> String {
    let head = ["", "year", "branch", "layers", "params", "MACs", "neurons"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for Counted { milestone, counts } in entries {
        let of =
            |what: fn(&Counts) -> u64| counts.as_ref().map_or(String::new(), |counts| grouped(what(counts)));
        rows.push(vec![
            milestone.name.into(),
            milestone.year.to_string(),
            milestone.branch.name().into(),
            of(|counts| counts.depth as u64),
            of(|counts| counts.params),
            of(|counts| counts.macs),
            of(|counts| counts.neurons),
        ]);
    }
    // In a row without figures, the stated sizes take their place.
    with_endings(&table(&rows), entries.iter().map(|counted| counted.milestone.stated))
}

fn errors(entries: &[Counted]) -> String {
    let mut rows = vec![["", "task", "ensemble", "single"].map(str::to_owned).to_vec()];
    let mut views = Vec::new();
    for Counted { milestone, .. } in entries {
        let (Some(single), ensemble) = milestone.lowest_errors() else { continue };
        let of_ensemble = |error: PublishedError| format!("{} % ({})", percent(&error), error.networks);
        rows.push(vec![
            milestone.name.into(),
            single.task.into(),
            ensemble.map_or(String::new(), of_ensemble),
            format!("{} %", percent(&single)),
        ]);
        views.push(Some(single.how));
    }
    with_endings(&table(&rows), views.into_iter())
}

/// Appends to each line of `table` below its head the text that belongs to it.
fn with_endings<'a>(table: &str, endings: impl Iterator<Item = Option<&'a str>>) -> String {
    let endings = std::iter::once(None).chain(endings).map(|text| text.map(|text| format!("  {text}")));
    table.lines().zip(endings).map(|(row, ending)| format!("{row}{}\n", ending.unwrap_or_default())).collect()
}

/// Wraps `paragraph` to lines of at most 100 columns, indented by `indent`.
fn wrapped(indent: &str, paragraph: &str) -> String {
    let mut text = String::new();
    let mut row = indent.to_owned();
    for word in paragraph.split(' ') {
        if row.chars().count() + word.chars().count() > 100 {
            text += &format!("{}\n", row.trim_end());
            row = indent.to_owned();
        }
        row += &format!("{word} ");
    }
    text + &format!("{}\n", row.trim_end())
}

/// Formats the percentage as published, with at least one decimal.
fn percent(error: &PublishedError) -> String {
    let percent = error.percent;
    if percent.fract() == 0.0 { format!("{percent:.1}") } else { percent.to_string() }
}

fn as_json(entries: &[Counted], claims: &[Claim]) -> Value {
    let error = |error: &PublishedError| {
        json!({
            "task": error.task,
            "error": error.percent / 100.0,
            "networks": error.networks,
            "how": error.how,
        })
    };
    let milestone = |counted: &Counted| {
        let Counted { milestone, counts } = counted;
        let of = |what: fn(&Counts) -> u64| counts.as_ref().map(what);
        json!({
            "year": milestone.year,
            "name": milestone.name,
            "authors": milestone.authors,
            "idea": milestone.idea,
            "link": milestone.link,
            "branch": milestone.branch.name(),
            "model": milestone.model,
            "stated": milestone.stated,
            "layers": of(|counts| counts.depth as u64),
            "params": of(|counts| counts.params),
            "macs": of(|counts| counts.macs),
            "connections": of(|counts| counts.connections),
            "neurons": of(|counts| counts.neurons),
            "errors": milestone.errors.iter().map(error).collect::<Vec<_>>(),
        })
    };
    json!({
        "line": entries.iter().map(milestone).collect::<Vec<_>>(),
        "claims": claims.iter().map(claim_json).collect::<Vec<_>>(),
    })
}

fn claim_json(Claim { claim, verdict, counted, .. }: &Claim) -> Value {
    json!({ "claim": claim, "verdict": verdict.label(), "counted": counted })
}
