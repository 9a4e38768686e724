//! Runs programs and measures them: time, processor time and memory of whole process trees.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::command::Command;
use crate::failure::Failure;

/// What a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Measured {
    /// From the start of the first program to the end of the last, seconds.
    pub(crate) wall: f64,
    /// User and system time of every process, seconds; the kernel counts in steps of 10 ms.
    pub(crate) cpu: f64,
    /// See [`Sampler`], bytes.
    pub(crate) peak: u64,
}

/// Time between two looks at the memory of a process tree.
const INTERVAL: Duration = Duration::from_millis(5);

/// Linux counts processor time for programs in hundredths of a second (`USER_HZ`), whatever its own
/// clock does.
const TICKS_A_SECOND: f64 = 100.0;

/// Runs stages one after the other, the programs of a stage at once. What they say goes to `log`.
pub(crate) fn measure(stages: Vec<Vec<Command>>, log: &Path) -> Result<Measured, Failure> {
    let sampler = Sampler::start();
    let (before, begin) = (children_ticks()?, Instant::now());
    for stage in stages {
        let mut children = Vec::with_capacity(stage.len());
        for command in stage {
            let name = command.name();
            let child = command.start(log)?;
            sampler.watch(child.id());
            children.push((name, child));
        }
        let mut failed = None;
        for (name, mut child) in children {
            let ended = child.wait().map_err(|error| Failure::new(format!("{name}: {error}")))?;
            sampler.forget(child.id());
            if !ended.success() {
                failed = Some(format!("{name}: {ended}\n{}", last_lines(log)));
            }
        }
        if let Some(failed) = failed {
            return Err(Failure::new(failed));
        }
    }
    let wall = begin.elapsed().as_secs_f64();
    let ticks = children_ticks()?.saturating_sub(before);
    let ticks = u32::try_from(ticks).map_or(f64::MAX, f64::from);
    Ok(Measured { wall, cpu: ticks / TICKS_A_SECOND, peak: sampler.stop() })
}

fn last_lines(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

/// User and system time of all processes that ended below this one and were waited for.
fn children_ticks() -> Result<u64, Failure> {
    let path = Path::new("/proc/self/stat");
    let text = fs::read_to_string(path).map_err(Failure::at(path))?;
    ticks(&text).ok_or_else(|| Failure::new("/proc/self/stat: no times in it"))
}

/// `cutime` and `cstime` of `proc_pid_stat(5)`, the 16th and 17th field. The second field may hold
/// blanks: counted from the parenthesis that ends it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(13);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Looks at process trees again and again. The peak is the largest sum of resident memory of all
/// processes alive at one moment, or the largest high-water mark of a single process, whichever is
/// more: the kernel keeps the latter, so that a short peak of one process is not missed.
#[derive(Debug)]
struct Sampler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    roots: Mutex<Vec<u32>>,
    peak: AtomicU64,
    stop: AtomicBool,
}

impl Sampler {
    fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let inside = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            while !inside.stop.load(Ordering::Relaxed) {
                let roots = inside.roots().clone();
                let (mut sum, mut highest) = (0, 0);
                for root in roots {
                    add(root, &mut sum, &mut highest);
                }
                inside.peak.fetch_max(sum.max(highest), Ordering::Relaxed);
                thread::sleep(INTERVAL);
            }
        });
        Self { shared, thread: Some(thread) }
    }

    fn watch(&self, process: u32) {
        self.shared.roots().push(process);
    }

    fn forget(&self, process: u32) {
        self.shared.roots().retain(|root| *root != process);
    }

    fn stop(mut self) -> u64 {
        self.end();
        self.shared.peak.load(Ordering::Relaxed)
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn roots(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a process and all below it. One that has just ended counts nothing.
fn add(process: u32, sum: &mut u64, highest: &mut u64) {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else { return };
    *sum += kibibytes(&status, "VmRSS:") << 10;
    *highest = (*highest).max(kibibytes(&status, "VmHWM:") << 10);
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|word| word.parse().ok()) {
            add(child, sum, highest);
        }
    }
}

/// A size in `proc_pid_status(5)`.
fn kibibytes(status: &str, field: &str) -> u64 {
    let rest = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    rest.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{kibibytes, measure, ticks};
    use crate::command::Command;

    #[test]
    fn times_are_those_of_the_children() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 55 66 77 88 20 0 1 0 99 1 2";
        assert_eq!(ticks(stat), Some(77 + 88));
        assert_eq!(ticks("7 (a) S 1"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn sizes_are_in_their_lines() {
        let status = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!((kibibytes(status, "VmHWM:"), kibibytes(status, "VmRSS:")), (2048, 1024));
        assert_eq!(kibibytes(status, "VmSwap:"), 0);
    }

    #[test]
    fn a_tree_is_measured_whole() {
        let log = std::env::temp_dir().join(format!("xtask-measure-{}", std::process::id()));
        // The child of a child holds 64 MiB and works a while.
        let line = "x=$(head -c 67108864 /dev/zero | tr '\\0' x); echo ${#x}; head -c 99999999 /dev/zero | cksum";
        let shell = Command::new("sh").args(["-c", "sh -c \"$0\"; true", line]);
        let measured = measure(vec![vec![shell]], &log).unwrap();
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(said.starts_with("67108864\n"), "{said}");
        assert!(measured.peak > 64 << 20, "{measured:?}");
        assert!(measured.cpu > 0.0 && measured.wall > 0.0, "{measured:?}");
        let failed = measure(vec![vec![Command::new("false")]], &log).unwrap_err();
        assert!(failed.to_string().contains("false: exit status: 1"), "{failed}");
        std::fs::remove_file(&log).unwrap();
    }
}
