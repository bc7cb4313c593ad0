//! What Linux says of a process: memory, its peak, processor time.

use std::{fs, io, time::Duration};

/// Clock ticks per second in `/proc/*/stat`: 100 in Linux's user-space interface on every processor we run on.
const TICKS: u64 = 100;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident now, shared libraries included.
    pub rss: u64,
    /// Largest `rss` since the start or the last [`reset_peak`].
    pub peak: u64,
    /// Resident and backed by no file: heap, stacks, buffers.
    pub anonymous: u64,
}

/// Reads `/proc/pid/status`.
pub fn of(pid: u32) -> io::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Memory {
        rss: kilobytes(&text, "VmRSS:")?,
        peak: kilobytes(&text, "VmHWM:")?,
        anonymous: kilobytes(&text, "RssAnon:")?,
    })
}

/// Lets the peak begin anew. Not permitted everywhere (another user's process, some containers).
pub fn reset_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// User-space memory that belongs to this process alone, in bytes: `Private_Dirty` of `/proc/pid/smaps_rollup`. Kernel
/// memory (socket buffers) and program text are not in it.
pub fn private_dirty(pid: u32) -> io::Result<u64> {
    kilobytes(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?, "Private_Dirty:")
}

/// Processor time used by all threads, user and kernel, ended threads too. Steps of 10 ms: measure over seconds.
pub fn processor(pid: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in brackets and may itself hold blanks and brackets.
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = |field: usize| after_name.split(' ').nth(field).and_then(|text| text.parse::<u64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok(Duration::from_millis((user + system) * 1000 / TICKS)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn kilobytes(text: &str, field: &str) -> io::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field)).ok_or(io::ErrorKind::InvalidData)?;
    let number =
        line.trim().trim_end_matches(" kB").parse::<u64>().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(number * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn our_own_figures_are_plausible() {
        let pid = std::process::id();
        let block = std::hint::black_box(vec![7u8; 32 << 20]);
        let memory = of(pid).unwrap();
        assert!(memory.anonymous >= 32 << 20 && memory.rss >= memory.anonymous && memory.peak >= memory.rss);
        assert!(private_dirty(pid).unwrap() >= 32 << 20);
        drop(block);
    }

    #[test]
    fn processor_time_grows_with_work() {
        let pid = std::process::id();
        let before = processor(pid).unwrap();
        let start = crate::now();
        let mut sum = 0u64;
        while start.elapsed() < Duration::from_millis(120) {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
        let used = processor(pid).unwrap() - before;
        assert!(used >= Duration::from_millis(10), "{used:?}");
    }

    #[test]
    fn the_peak_can_begin_anew_where_it_is_permitted() {
        let pid = std::process::id();
        drop(std::hint::black_box(vec![7u8; 64 << 20]));
        let before = of(pid).unwrap().peak;
        match reset_peak(pid) {
            Ok(()) => assert!(of(pid).unwrap().peak < before),
            Err(error) => println!("not permitted here: {error}"),
        }
    }
}
