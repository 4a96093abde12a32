//! The memory that the machine can still give.

use std::path::Path;

use crate::file::read_text_limited;

/// Returns the bytes that programs can still take without others being ended for it, where the system says so.
///
/// Linux hands out more memory than there is, and ends a process that then uses it. So a large request is
/// held against this figure.
pub fn available_memory() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let machine = meminfo(&read_text_limited(Path::new("/proc/meminfo"), 1 << 20).ok()?)?;
    Some(container().map_or(machine, |container| container.min(machine)))
}

/// Returns the free bytes in a container with a limit of its own.
fn container() -> Option<u64> {
    let figure = |name: &str| -> Option<u64> {
        let path = Path::new("/sys/fs/cgroup").join(name);
        read_text_limited(&path, 64).ok()?.trim().parse().ok()
    };
    Some(figure("memory.max")?.saturating_sub(figure("memory.current")?))
}

/// Returns the available and swappable bytes that a `/proc/meminfo` names.
fn meminfo(text: &str) -> Option<u64> {
    let kibibytes = |key: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((kibibytes("MemAvailable:")? + kibibytes("SwapFree:").unwrap_or(0)).saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_counts_memory_and_swap_in_bytes() {
        let text = "MemTotal:       24000 kB\nMemAvailable:   2000 kB\nSwapFree:   50 kB\n";
        assert_eq!(meminfo(text), Some(2050 * 1024));
        assert_eq!(meminfo("MemTotal: 24000 kB\n"), None);
        assert_eq!(meminfo("MemAvailable: much\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_memory() {
        assert!(available_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
