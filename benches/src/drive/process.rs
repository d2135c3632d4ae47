//! What a process has used, as Linux counts it.

use std::{fs, time::Duration};

use crate::Failure;

/// Clock ticks a second in `/proc`: fixed on every Linux that Rust runs on.
const TICKS: u64 = 100;

/// A running process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

/// Memory of a process.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident now, in KiB.
    pub now: u64,
    /// Most that was ever resident, in KiB.
    pub peak: u64,
}

impl Process {
    /// CPU time of the process and of its children that have ended.
    pub fn cpu(self) -> Duration {
        self.stat(&[13, 14, 15, 16])
            .map_or(Duration::ZERO, |ticks| {
                Duration::from_millis(ticks * 1_000 / TICKS)
            })
    }

    /// CPU time of the process and of all its children.
    pub fn cpu_with_children(self) -> Duration {
        let children: Duration = children_of(self).into_iter().map(Self::own_cpu).sum();
        self.cpu() + children
    }

    fn own_cpu(self) -> Duration {
        self.stat(&[13, 14]).map_or(Duration::ZERO, |ticks| {
            Duration::from_millis(ticks * 1_000 / TICKS)
        })
    }

    /// The process that started this one.
    pub fn parent(self) -> Option<Self> {
        let parent = self.stat(&[3])?;
        u32::try_from(parent).ok().map(Self)
    }

    /// The sum of fields of `/proc/<pid>/stat`, counted from 0.
    fn stat(self, fields: &[usize]) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // The name, in parentheses, may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let values: Vec<&str> = rest.split_whitespace().collect();
        fields
            .iter()
            .map(|field| values.get(field - 2)?.parse::<u64>().ok())
            .sum()
    }

    /// Its memory.
    ///
    /// # Errors
    /// The process has ended.
    pub fn memory(self) -> Result<Memory, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let read = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|value| value.split_whitespace().next()?.parse().ok())
                .ok_or_else(|| format!("no {name} of process {}", self.0))
        };
        Ok(Memory {
            now: read("VmRSS:")?,
            peak: read("VmHWM:")?,
        })
    }
}

fn children_of(parent: Process) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Process)
        .filter(|process| process.parent() == Some(parent))
        .collect()
}
