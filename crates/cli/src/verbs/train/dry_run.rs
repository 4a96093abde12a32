//! `striate train --dry-run`

use anyhow::Result;
use serde_json::json;
use striate_engine::PlanReport;
use striate_train::{Session, Summary};

use crate::clock::SystemClock;
use crate::device::Chosen;
use crate::json;

/// Largest number of steps that a dry run measures, and seconds after which it stops.
const STEPS: usize = 50;
const SECONDS: f64 = 5.0;

/// Shows the summary and the plan of a step with the time of each part and its share of the peak, if that is known;
/// writes nothing.
pub fn run(mut session: Session, chosen: &Chosen, as_json: bool) -> Result<()> {
    let summary = session.summary()?;
    eprint!("{}", super::summary::text(&summary));
    if let Some(plan) = session.plan_without_descent()? {
        return without_steps(&session, &summary, &plan, as_json);
    }
    let peak = chosen.peak();
    let (plan, count) = session.profile(&SystemClock::new(), STEPS, SECONDS)?;
    let step: f64 = plan.steps.iter().filter_map(|step| step.seconds).sum();
    let epoch = step * summary.steps_per_epoch as f64;
    let total = step * summary.steps as f64;
    if as_json {
        return Ok(json::print(&json!({
            "recipe": session.recipe(),
            "summary": summary,
            "plan": json::plan(&plan, count, peak),
            "step_seconds": step,
            "images_per_second": count as f64 / step,
            "epoch_seconds": epoch,
            "seconds": total,
        }))?);
    }
    println!("{}", plan.table(false, peak));
    println!(
        "a step of {count} images takes {:.2} ms ({:.0} images/s), an epoch about {epoch:.1} s, the run about \
         {total:.0} s",
        step * 1e3,
        count as f64 / step,
    );
    Ok(())
}

/// Shows the plan of a network that is not trained in steps.
fn without_steps(session: &Session, summary: &Summary, plan: &PlanReport, as_json: bool) -> Result<()> {
    if as_json {
        return Ok(json::print(&json!({ "recipe": session.recipe(), "summary": summary }))?);
    }
    println!("{}", plan.table(false, None));
    Ok(())
}
