//! How much memory there is for this process to take: the least of what the machine, the control
//! group (a container's limit) and `ulimit` leave.

use std::fs;
use std::path::{Path, PathBuf};

use cobasis_data::number::bytes;

/// Control groups that a path is followed up through; deeper ones are nobody's.
const MAX_GROUPS: usize = 64;

/// Memory that a process may still take, and what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Bytes that can be had at once.
    pub bytes: u64,
    /// Bytes that can be had by moving others to the disk.
    pub swap: u64,
    /// What bounds it, as in "free in the memory of this machine".
    pub bound: &'static str,
}

impl Free {
    /// Everything that can be had.
    pub fn all(&self) -> u64 {
        self.bytes.saturating_add(self.swap)
    }
}

impl std::fmt::Display for Free {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let swap = match self.swap {
            0 => String::new(),
            swap => format!(" and {} of swap", bytes(swap)),
        };
        write!(f, "{}{swap} are free in {}", bytes(self.bytes), self.bound)
    }
}

/// The memory that this process may still take; `None` where the system does not tell.
pub fn free_memory() -> Option<Free> {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let meminfo = text("/proc/meminfo");
    let swap = kibibytes(&meminfo, "SwapFree:").unwrap_or(0);
    let (limits, status) = (text("/proc/self/limits"), text("/proc/self/status"));
    let sizes = ulimits(&limits, &status);
    let groups = groups(&text("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    let machine = kibibytes(&meminfo, "MemAvailable:");
    let shared = [
        machine.map(|bytes| Free { bytes, swap, bound: "the memory of this machine" }),
        groups.map(|bytes| Free { bytes, swap, bound: "the control group of this process" }),
    ];
    shared.into_iter().chain(sizes).flatten().min_by_key(Free::all)
}

/// The soft limits on the address space and on data of `/proc/self/limits`, less what is in use.
fn ulimits(limits: &str, status: &str) -> [Option<Free>; 2] {
    [
        ("Max address space", "VmSize:", "the address space that ulimit -v allows"),
        ("Max data size", "VmData:", "the data segment that ulimit -d allows"),
    ]
    .map(|(limit, used, bound)| {
        let line = limits.lines().find_map(|line| line.strip_prefix(limit))?;
        let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
        let used = kibibytes(status, used)?;
        Some(Free { bytes: limit.saturating_sub(used), swap: 0, bound })
    })
}

/// What the control groups of `/proc/self/cgroup` leave, of versions 1 and 2: the least of the
/// group's and of those above it.
fn groups(own: &str, root: &Path) -> Option<u64> {
    let mut free: Option<u64> = None;
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, names): (PathBuf, [&str; 3]) = match kinds {
            "" => (root.to_owned(), ["memory.max", "memory.current", "inactive_file "]),
            _ if kinds.split(',').any(|kind| kind == "memory") => (
                root.join("memory"),
                ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "],
            ),
            _ => continue,
        };
        // Inside a container the path may be that of the host; the root is the container's then.
        let group = root.join(path.trim_start_matches('/'));
        let above = group.ancestors().take_while(|group| group.starts_with(&root));
        let left = above.take(MAX_GROUPS).filter_map(|group| left(group, names)).min();
        free = free.into_iter().chain(left).min();
    }
    free
}

/// What a control group leaves; the files that it keeps in memory could go.
fn left(group: &Path, [limit, used, cache]: [&str; 3]) -> Option<u64> {
    let text = |name: &str| fs::read_to_string(group.join(name)).ok();
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    let (limit, used) = (number(limit)?, number(used)?);
    let cached = text("memory.stat").and_then(|stat| {
        stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse::<u64>().ok())
    });
    Some(limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0))))
}

/// The bytes that a line of a file of the system tells in kibibytes.
pub(super) fn kibibytes(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_shell_count_what_is_in_use() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max data size             unlimited            unlimited            bytes\n\
                      Max address space         4294967296           unlimited            bytes\n";
        let [space, data] = ulimits(limits, "VmSize:\t 1048576 kB\nVmData:\t 1024 kB\n");
        let space = space.expect("a limit");
        assert_eq!((space.bytes, data), (3 << 30, None));
        assert_eq!(
            space.to_string(),
            "3.00 GiB are free in the address space that ulimit -v allows"
        );
    }

    #[test]
    fn control_groups_of_both_versions_bound_and_their_caches_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("pod/box/memory.max", "max\n");
        write("pod/box/memory.current", "500\n");
        write("pod/memory.max", "1000\n");
        write("pod/memory.current", "800\n");
        write("pod/memory.stat", "anon 500\ninactive_file 300\n");
        write("memory/docker/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/docker/memory.usage_in_bytes", "5\n");
        write("memory/memory.limit_in_bytes", "50\n");
        write("memory/memory.usage_in_bytes", "20\n");
        write("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 2\n");
        let free = |own: &str| groups(own, dir.path());
        assert_eq!(free("0::/pod/box\n"), Some(500));
        assert_eq!(free("0::/\n"), None);
        assert_eq!(free("4:cpu:/docker\n3:memory,hugetlb:/docker/gone\n"), Some(32));
        assert_eq!(free("garbage\n\n::\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_some_memory_left() {
        assert!(free_memory().expect("a number").all() > 1 << 20);
    }
}
