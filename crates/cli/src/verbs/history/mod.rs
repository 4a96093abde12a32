//! `striate history`

mod charts;
mod lineage;
mod page;
mod svg;

use anyhow::Result;
use serde_json::{Value, json};
use striate_models::history::{self, Claim, Counts, LINE, PublishedError, Station};
use striate_tensor::Error;

use crate::arguments::History;
use crate::json;
use crate::output::{grouped, table};

/// A station with what its network's graph counts.
struct Counted {
    station: &'static Station,
    counts: Option<Counts>,
}

pub fn run(args: History) -> Result<()> {
    let counted = |station: &'static Station| Ok(Counted { station, counts: station.counts()? });
    let line = LINE.iter().map(counted).collect::<Result<Vec<_>>>()?;
    let claims = history::claims()?;
    if let Some(path) = &args.html {
        let page = page::page(&line, &claims);
        std::fs::write(path, page).map_err(|e| Error::write(path, e))?;
        eprintln!("{} written", path.display());
    }
    if args.json {
        return Ok(json::print(&as_json(&line, &claims))?);
    }
    if args.html.is_none() {
        print!("{}", text(&line, &claims));
    }
    Ok(())
}

fn text(line: &[Counted], claims: &[Claim]) -> String {
    let head = ["", "year", "branch", "layers", "params", "MACs", "neurons", "published error"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for Counted { station, counts } in line {
        let of =
            |what: fn(&Counts) -> u64| counts.as_ref().map_or(String::new(), |counts| grouped(what(counts)));
        rows.push(vec![
            station.name.into(),
            station.year.to_string(),
            station.branch.name().into(),
            of(|counts| counts.depth as u64),
            of(|counts| counts.params),
            of(|counts| counts.macs),
            of(|counts| counts.neurons),
            station.errors.last().map_or(String::new(), published),
        ]);
    }
    let mut text = format!("{}\n", table(&rows));
    text += "layers: convolutions and linear layers on the longest path; params, MACs and neurons are counted in\n";
    text += "the graphs of `striate models`. What is often said, and what counting gives:\n\n";
    for claim in claims {
        text += &format!("  {}\n    {}: {}\n", claim.claim, claim.verdict.words(), claim.counted);
    }
    text
}

/// `ImageNet top-5 3.57 % (6 networks)`
fn published(error: &PublishedError) -> String {
    let several = if error.networks > 1 { format!(" ({} networks)", error.networks) } else { String::new() };
    format!("{} {} %{several}", error.task, percent(error))
}

/// The percents as they are published, with one digit at least.
fn percent(error: &PublishedError) -> String {
    let percent = error.percent;
    if percent.fract() == 0.0 { format!("{percent:.1}") } else { percent.to_string() }
}

fn as_json(line: &[Counted], claims: &[Claim]) -> Value {
    let error = |error: &PublishedError| {
        json!({
            "task": error.task,
            "error": error.percent / 100.0,
            "networks": error.networks,
            "how": error.how,
        })
    };
    let station = |counted: &Counted| {
        let Counted { station, counts } = counted;
        let of = |what: fn(&Counts) -> u64| counts.as_ref().map(what);
        json!({
            "year": station.year,
            "name": station.name,
            "authors": station.authors,
            "idea": station.idea,
            "link": station.link,
            "branch": station.branch.name(),
            "model": station.model,
            "stated": station.stated,
            "layers": of(|counts| counts.depth as u64),
            "params": of(|counts| counts.params),
            "macs": of(|counts| counts.macs),
            "connections": of(|counts| counts.connections),
            "neurons": of(|counts| counts.neurons),
            "errors": station.errors.iter().map(error).collect::<Vec<_>>(),
        })
    };
    let claim = |claim: &Claim| json!({ "claim": claim.claim, "verdict": claim.verdict.words(), "counted": claim.counted });
    json!({
        "line": line.iter().map(station).collect::<Vec<_>>(),
        "claims": claims.iter().map(claim).collect::<Vec<_>>(),
    })
}
