//! The arenas of a deployment, shared by its programs, so that there are never more than there have been runs at once.

use std::sync::Mutex;

use striate_tensor::Buffer;

use super::deployment::lock;

/// Arenas that no run uses. What they contain is arbitrary.
#[derive(Default)]
pub(super) struct Arenas(Mutex<State>);

#[derive(Default)]
struct State {
    idle: Vec<Buffer>,
    /// The number of bytes that each program needs.
    needs: Vec<usize>,
}

impl Arenas {
    /// Takes the smallest arena of at least `bytes` bytes. If there is none, drops the largest one: the caller
    /// allocates a new one, which can take its place.
    pub fn take(&self, bytes: usize) -> Option<Buffer> {
        let idle = &mut lock(&self.0).idle;
        let sizes = || idle.iter().map(Buffer::len).enumerate();
        let fitting = sizes().filter(|(_, len)| *len >= bytes).min_by_key(|(_, len)| *len);
        if let Some((index, _)) = fitting {
            return Some(idle.swap_remove(index));
        }
        if let Some((index, _)) = sizes().max_by_key(|(_, len)| *len) {
            idle.swap_remove(index);
        }
        None
    }

    /// Puts an arena back, unless it is larger than any program needs.
    pub fn put(&self, arena: Buffer) {
        let mut state = lock(&self.0);
        if arena.len() <= state.most() {
            state.idle.push(arena);
        }
    }

    /// Adds a program that needs `bytes` bytes.
    pub fn add_need(&self, bytes: usize) {
        lock(&self.0).needs.push(bytes);
    }

    /// Removes a program that needed `bytes` bytes, and the arenas that only it needed.
    pub fn remove_need(&self, bytes: usize) {
        let mut state = lock(&self.0);
        if let Some(index) = state.needs.iter().position(|need| *need == bytes) {
            state.needs.swap_remove(index);
        }
        let most = state.most();
        state.idle.retain(|arena| arena.len() <= most);
    }
}

impl State {
    fn most(&self) -> usize {
        self.needs.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(arenas: &Arenas) -> Vec<usize> {
        lock(&arenas.0).idle.iter().map(Buffer::len).collect()
    }

    #[test]
    fn programs_share_arenas_and_leave_none_behind() {
        let arenas = Arenas::default();
        [100, 400].into_iter().for_each(|bytes| arenas.add_need(bytes));
        assert!(arenas.take(100).is_none());
        arenas.put(Buffer::zeroed(100).unwrap());
        assert!(arenas.take(400).is_none(), "too small, and replaced");
        arenas.put(Buffer::zeroed(400).unwrap());
        assert_eq!(sizes(&arenas), [400]);
        arenas.put(arenas.take(100).unwrap());
        assert_eq!(sizes(&arenas), [400], "large enough for both");
        let in_use = arenas.take(400).unwrap();
        arenas.put(Buffer::zeroed(100).unwrap());
        arenas.remove_need(400);
        arenas.put(in_use);
        assert_eq!(sizes(&arenas), [100], "no program needs more");
        arenas.remove_need(100);
        assert!(sizes(&arenas).is_empty());
    }
}
