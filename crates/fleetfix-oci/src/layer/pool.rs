//! Threads that compress blocks.
//!
//! The input is cut into blocks, and each is compressed on its own: a block of gzip is primed with
//! the last 32 KiB before it and ends on a byte boundary, so that the pieces put together are one
//! deflate stream (the way of pigz); a block of zstd is a frame. Where the cuts are depends on the
//! input alone, so the output is the same for any number of threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::{Compress, FlushCompress, Status};
use zlib_rs::crc32::crc32;

use super::compression::{Algorithm, Compression, Options};
use crate::Error;

/// Size of a block in bytes. Part of what a layer's digest is a function of.
pub(super) const BLOCK: usize = 1 << 20;
/// How far deflate looks back (RFC 1951, section 2).
pub(super) const WINDOW: usize = 32 << 10;
/// Room for a block that does not compress: deflate's fixed codes take 9 bits a byte at worst, and
/// a flush takes a few bytes. Zstandard needs less (`ZSTD_COMPRESSBOUND`).
const ROOM: usize = BLOCK + BLOCK / 8 + 4096;

/// One block on its way through the compressor. Its buffers are used again.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) input: Vec<u8>,
    /// What came before the input, at most [`WINDOW`] bytes.
    pub(super) before: Vec<u8>,
    pub(super) output: Vec<u8>,
    /// CRC-32 of the input.
    pub(super) crc: u32,
}

impl Job {
    pub(super) fn empty() -> Self {
        Self { input: Vec::new(), before: Vec::new(), output: Vec::new(), crc: 0 }
    }

    fn run(&mut self, compression: Compression) -> Result<(), &'static str> {
        self.crc = crc32(0, &self.input);
        self.output.clear();
        // A small block needs no room for a large one.
        self.output.reserve(ROOM - BLOCK + self.input.len() + self.input.len() / 8);
        match compression.algorithm() {
            Algorithm::Gzip => self.deflate(compression.level()),
            Algorithm::Zstd => {
                let level = i32::try_from(compression.level()).unwrap_or_default();
                let written = zstd::bulk::Compressor::new(level)
                    .and_then(|mut c| c.compress_to_buffer(&self.input, &mut self.output));
                written.map(drop).map_err(|_| "the frame does not fit")
            }
            Algorithm::None => {
                self.output.extend_from_slice(&self.input);
                Ok(())
            }
        }
    }

    fn deflate(&mut self, level: u32) -> Result<(), &'static str> {
        // A new one for each block: one that is reset keeps old bytes in its window, and then the
        // output depends on which blocks it had before (zlib-rs 0.6.8, seen on Go programs).
        let mut compress = Compress::new(flate2::Compression::new(level), false);
        if !self.before.is_empty() {
            compress.set_dictionary(&self.before).map_err(|_| "the dictionary is not taken")?;
        }
        let status = compress
            .compress_vec(&self.input, &mut self.output, FlushCompress::Sync)
            .map_err(|_| "the block is not taken")?;
        let whole = compress.total_in() == self.input.len() as u64
            && self.output.len() < self.output.capacity()
            && status == Status::Ok;
        if whole { Ok(()) } else { Err("the block does not fit") }
    }
}

pub(super) type Answer = Result<Job, &'static str>;
type Task = (Job, SyncSender<Answer>);

/// Threads that end when this is dropped. Without any, the caller's thread does the work.
#[derive(Debug)]
pub(super) struct Pool {
    compression: Compression,
    threads: usize,
    tasks: Option<Sender<Task>>,
    stopped: AtomicBool,
}

impl Pool {
    pub(super) fn new(options: &Options) -> Self {
        let (compression, wanted) = (options.compression, options.threads.get());
        let (tasks, queue) = channel::<Task>();
        let queue = Arc::new(Mutex::new(queue));
        let started = (0..wanted)
            .filter(|_| wanted > 1)
            .filter(|n| {
                let queue = Arc::clone(&queue);
                let name = format!("compress-{n}");
                thread::Builder::new().name(name).spawn(move || work(&queue, compression)).is_ok()
            })
            .count();
        // A host that grants no threads gets the same bytes later.
        let tasks = (started > 0).then_some(tasks);
        Self { compression, threads: wanted, tasks, stopped: AtomicBool::new(false) }
    }

    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Blocks of one input that wait for a thread or are on one.
    pub(super) fn most_pending(&self) -> usize {
        self.threads + 1
    }

    /// Has a block compressed; the answer comes when it is.
    pub(super) fn send(&self, mut job: Job) -> Result<Receiver<Answer>, Error> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped { what: "compressing the new layer" });
        }
        let (answer, answered) = sync_channel(1);
        let lost = |_| defect("no one waits for a block");
        match &self.tasks {
            None => {
                let result = job.run(self.compression).map(|()| job);
                answer.send(result).map_err(lost)?;
            }
            Some(tasks) => {
                tasks
                    .send((job, answer))
                    .map_err(|_| defect("the compressing threads are gone"))?;
            }
        }
        Ok(answered)
    }

    /// Whoever compresses now fails at the next block.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn work(queue: &Mutex<Receiver<Task>>, compression: Compression) {
    loop {
        let task = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((mut job, answer)) = task else { return };
        let result = job.run(compression).map(|()| job);
        // Nobody waits any more where another block failed.
        let _ = answer.send(result);
    }
}

pub(super) fn defect(reason: &'static str) -> Error {
    Error::Compressor { subject: "the new layer".into(), reason }
}
