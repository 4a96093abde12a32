//! Records what a segment launches, so that later runs launch all of it at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use striate_engine::PlanReport;
use striate_graph::Segment;
use striate_tensor::Result;

use crate::driver::{Driver, Recording};
use crate::plan::{Addresses, Plan};

/// The recordings of a plan.
pub(crate) struct Recordings {
    driver: Arc<dyn Driver>,
    segments: Mutex<HashMap<Segment, State>>,
}

enum State {
    /// The segment ran once, so that libraries have loaded what they need.
    Ran,
    /// The addresses are those of the recorded launches.
    Recorded(Addresses, Recording),
    /// Libraries launched something that cannot be recorded.
    Refused,
}

impl Recordings {
    pub fn new(driver: &Arc<dyn Driver>) -> Recordings {
        Recordings { driver: driver.clone(), segments: Mutex::default() }
    }

    /// Runs a segment of `plan`: launches it the first time, records it the second time.
    ///
    /// # Errors
    /// If the device fails.
    pub fn run(&self, plan: &Plan, segment: Segment, memory: Addresses) -> Result<()> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        match segments.get(&segment) {
            Some(State::Recorded(addresses, recording)) if *addresses == memory => {
                // SAFETY: the recording exists, and the memory at these addresses is that of this run.
                return unsafe { self.driver.replay(*recording) };
            }
            Some(State::Refused) => return plan.run(segment, &*self.driver, memory, None),
            None => {
                segments.insert(segment, State::Ran);
                return plan.run(segment, &*self.driver, memory, None);
            }
            Some(State::Ran | State::Recorded(..)) => {}
        }
        self.driver.begin_recording()?;
        let launched = plan.run(segment, &*self.driver, memory, None);
        let state = match (launched, self.driver.end_recording()) {
            (Ok(()), Ok(recording)) => State::Recorded(memory, recording),
            // If the device has failed, launching kernel by kernel says so.
            (_, Err(_)) => State::Refused,
            (Err(_), Ok(recording)) => {
                // SAFETY: nothing else knows it.
                unsafe { self.driver.forget(recording) };
                State::Refused
            }
        };
        if let Some(State::Recorded(_, old)) = segments.insert(segment, state) {
            // SAFETY: nothing else knows it.
            unsafe { self.driver.forget(old) };
        }
        drop(segments);
        self.run(plan, segment, memory)
    }

    /// The report of the plan; says if launches could not be recorded.
    pub fn report(&self, plan: &Plan, seconds: Option<&[f64]>) -> PlanReport {
        let segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = plan.report(seconds);
        if segments.values().any(|state| matches!(state, State::Refused)) {
            report.device += ", launched kernel by kernel";
        }
        report
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        let segments = self.segments.get_mut().unwrap_or_else(PoisonError::into_inner);
        for state in segments.values() {
            if let State::Recorded(_, recording) = state {
                // SAFETY: the recording ends with its owner.
                unsafe { self.driver.forget(*recording) };
            }
        }
    }
}
