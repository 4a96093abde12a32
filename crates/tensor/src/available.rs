//! The memory that is still available on the machine.

use std::path::Path;

use crate::file::read_text_limited;

/// Returns how many bytes can still be allocated without running out of memory, if the system reports it.
///
/// Linux overcommits memory and kills processes when it runs out. Large requests are therefore checked
/// against this figure.
pub fn available_memory() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let machine = meminfo(&read_text_limited(Path::new("/proc/meminfo"), 1 << 20).ok()?)?;
    Some(container().map_or(machine, |container| container.min(machine)))
}

/// Returns the free bytes in a container with a memory limit.
fn container() -> Option<u64> {
    let figure = |name: &str| -> Option<u64> {
        let path = Path::new("/sys/fs/cgroup").join(name);
        read_text_limited(&path, 64).ok()?.trim().parse().ok()
    };
    Some(figure("memory.max")?.saturating_sub(figure("memory.current")?))
}

/// Returns the bytes of available memory and free swap in the text of `/proc/meminfo`.
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
    fn meminfo_is_available_memory_plus_swap() {
        let text = "MemTotal:       24000 kB\nMemAvailable:   2000 kB\nSwapFree:   50 kB\n";
        assert_eq!(meminfo(text), Some(2050 * 1024));
        assert_eq!(meminfo("MemTotal: 24000 kB\n"), None);
        assert_eq!(meminfo("MemAvailable: much\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_reports_memory() {
        assert!(available_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
