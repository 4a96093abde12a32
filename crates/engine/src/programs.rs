//! The programs for the input shapes that were used last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape, zeroed};

use crate::device::{Profile, Program};
use crate::inference::KEPT_PROGRAMS;

/// A program with the shape of its output.
pub(crate) struct Ready {
    pub program: Arc<dyn Program>,
    pub output: Shape,
}

impl Ready {
    /// Zeros in the shape of the output.
    pub fn output_values(&self) -> Result<Vec<f32>> {
        zeroed(self.output.checked_len()?).map_err(|e| e.at("the output"))
    }

    /// Runs the program on an `input` of `shape`.
    pub fn run(
        &self,
        shape: &Shape,
        input: &[f32],
        output: &mut [f32],
        profile: Option<Profile>,
    ) -> Result<()> {
        if input.len() != shape.numel() {
            let count = input.len();
            return Err(Error::input(format!(
                "the input of {} does not match its shape {shape}",
                counted(count, "value")
            )));
        }
        if output.len() != self.output.numel() {
            let what = "the length of the given output slice does not match the network's output";
            return Err(Error::failed(what));
        }
        self.program.run(&[input], &mut [output], profile)
    }
}

/// A place for a program, locked while it is compiled.
type Place = Arc<Mutex<Option<Arc<Ready>>>>;

/// The programs by input shape; those used last come last. At most [`KEPT_PROGRAMS`] are kept; a program that is
/// running when it leaves ends with its run.
#[derive(Default)]
pub(crate) struct Programs(Mutex<Vec<(Shape, Place)>>);

impl Programs {
    /// Returns the program for `shape`, if it exists or is being compiled, and makes it the one used last.
    pub fn find(&self, shape: &Shape) -> Option<Arc<Ready>> {
        let place = find(&mut lock(&self.0), shape)?;
        let program = lock(&place);
        program.clone()
    }

    /// Returns the program for `shape`, made by `compile` unless it exists. Requests for this shape wait for it, so
    /// that it is compiled once; all others go on.
    pub fn find_or_compile(
        &self,
        shape: &Shape,
        compile: impl FnOnce() -> Result<Ready>,
    ) -> Result<Arc<Ready>> {
        let place = self.find_or_add(shape);
        let mut program = lock(&place);
        if let Some(ready) = &*program {
            return Ok(ready.clone());
        }
        match compile() {
            Ok(ready) => Ok(program.insert(Arc::new(ready)).clone()),
            Err(error) => {
                lock(&self.0).retain(|(_, other)| !Arc::ptr_eq(other, &place));
                Err(error)
            }
        }
    }

    /// Returns the place of `shape`, which takes that of the one unused for longest if there are many.
    fn find_or_add(&self, shape: &Shape) -> Place {
        let mut places = lock(&self.0);
        if let Some(place) = find(&mut places, shape) {
            return place;
        }
        if places.len() == KEPT_PROGRAMS {
            places.remove(0);
        }
        let place = Place::default();
        places.push((shape.clone(), place.clone()));
        place
    }

    /// The number of programs.
    pub fn count(&self) -> usize {
        lock(&self.0).len()
    }
}

/// Returns the place of `shape` and makes it the last one.
fn find(places: &mut [(Shape, Place)], shape: &Shape) -> Option<Place> {
    let index = places.iter().position(|(other, _)| other == shape)?;
    places[index..].rotate_left(1);
    places.last().map(|(_, place)| place.clone())
}

/// Locks `mutex`, ignoring poisoning: a panic cannot leave the content inconsistent, because entries are complete when
/// added.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::report::PlanReport;

    struct Nothing;

    impl Program for Nothing {
        fn run(&self, _: &[&[f32]], _: &mut [&mut [f32]], _: Option<Profile>) -> Result<()> {
            Ok(())
        }

        fn report(&self, _: Option<&[f64]>) -> PlanReport {
            unreachable!("the tests need no report")
        }
    }

    fn ready() -> Result<Ready> {
        Ok(Ready { program: Arc::new(Nothing), output: Shape::from([1]) })
    }

    #[test]
    fn program_unused_for_longest_leaves() {
        let programs = Programs::default();
        let shape = |n: usize| Shape::from([n]);
        let compiled = AtomicUsize::new(0);
        let get = |n: usize| {
            let compile = || {
                compiled.fetch_add(1, SeqCst);
                ready()
            };
            programs.find_or_compile(&shape(n), compile).unwrap()
        };
        let first = get(0);
        (1..KEPT_PROGRAMS).for_each(|n| drop(get(n)));
        assert_eq!((programs.count(), compiled.load(SeqCst)), (KEPT_PROGRAMS, KEPT_PROGRAMS));
        assert!(Arc::ptr_eq(&first, &get(0)), "kept, and now used last");
        get(KEPT_PROGRAMS);
        assert_eq!(programs.count(), KEPT_PROGRAMS);
        assert!(programs.find(&shape(1)).is_none() && programs.find(&shape(0)).is_some());
    }

    #[test]
    fn shape_is_compiled_once_while_other_shapes_go_on() {
        let programs = Programs::default();
        let compiled = AtomicUsize::new(0);
        let shape = Shape::from([1]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let compile = || {
                        compiled.fetch_add(1, SeqCst);
                        programs.find_or_compile(&Shape::from([2]), ready)?;
                        ready()
                    };
                    programs.find_or_compile(&shape, compile).unwrap();
                });
            }
        });
        assert_eq!((compiled.into_inner(), programs.count()), (1, 2));
    }

    #[test]
    fn failed_compilation_leaves_no_program() {
        let programs = Programs::default();
        let shape = Shape::from([1]);
        assert!(programs.find_or_compile(&shape, || Err(Error::failed("no memory"))).is_err());
        assert_eq!(programs.count(), 0);
        assert!(programs.find_or_compile(&shape, ready).is_ok());
    }
}
