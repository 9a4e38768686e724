//! One gzip member (RFC 1952), compressed on several cores.
//!
//! The input is cut into blocks. Each is compressed on its own, primed with the last 32 KiB before it
//! and ended on a byte boundary, so that the pieces put together are one deflate stream (the way of
//! pigz). Where the cuts are depends on the input alone: the output is the same for any number of
//! threads.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::{Compress, Compression, FlushCompress, Status};
use zlib_rs::crc32::{crc32, crc32_combine};

use super::Options;
use crate::Error;

/// Size of a block in bytes. Part of what a layer's digest is a function of.
const BLOCK: usize = 1 << 20;
/// How far deflate looks back (RFC 1951, section 2).
const WINDOW: usize = 32 << 10;
/// Room for a block that does not compress: deflate's fixed codes take 9 bits a byte at worst, and
/// a flush takes a few bytes.
const ROOM: usize = BLOCK + BLOCK / 8 + 4096;
/// No name, no time, unknown system (RFC 1952, section 2.3): nothing of this host.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// One block on its way through the compressor. Its buffers are used again.
#[derive(Debug)]
struct Job {
    input: Vec<u8>,
    /// What came before the input, at most [`WINDOW`] bytes.
    before: Vec<u8>,
    output: Vec<u8>,
    crc: u32,
    last: bool,
}

impl Job {
    fn empty() -> Self {
        Self {
            input: Vec::with_capacity(BLOCK),
            before: Vec::with_capacity(WINDOW),
            output: Vec::with_capacity(ROOM),
            crc: 0,
            last: false,
        }
    }

    fn run(&mut self, level: Compression) -> Result<(), &'static str> {
        self.crc = crc32(0, &self.input);
        self.output.clear();
        self.output.reserve(ROOM);
        // A new one for each block: one that is reset keeps old bytes in its window, and then the
        // output depends on which blocks it had before (zlib-rs 0.6.8, seen on Go programs).
        let mut compress = Compress::new(level, false);
        if !self.before.is_empty() {
            compress.set_dictionary(&self.before).map_err(|_| "the dictionary is not taken")?;
        }
        let flush = if self.last { FlushCompress::Finish } else { FlushCompress::Sync };
        let status = compress
            .compress_vec(&self.input, &mut self.output, flush)
            .map_err(|_| "the block is not taken")?;
        let whole = compress.total_in() == self.input.len() as u64
            && self.output.len() < self.output.capacity()
            && (status == Status::StreamEnd) == self.last;
        if whole { Ok(()) } else { Err("the block does not fit") }
    }
}

type Answer = Result<Job, &'static str>;
type Task = (Job, SyncSender<Answer>);

/// Compresses what is pushed into it and writes it to `out`.
#[derive(Debug)]
pub(super) struct Gzip<W> {
    out: W,
    /// Blocks that are being compressed, in the order of the input.
    pending: VecDeque<Receiver<Answer>>,
    most_pending: usize,
    spare: Vec<Job>,
    next: Job,
    crc: u32,
    length: u64,
    workers: Workers,
}

/// Threads that end when their tasks' sender is dropped. Without any, the caller's thread does the
/// work.
#[derive(Debug)]
enum Workers {
    Here(Compression),
    There(Sender<Task>),
}

impl<W: Write> Gzip<W> {
    pub(super) fn new(mut out: W, options: &Options) -> Result<Self, Error> {
        out.write_all(&HEADER).map_err(write_error)?;
        let threads = options.threads.get();
        Ok(Self {
            out,
            pending: VecDeque::new(),
            most_pending: threads + 1,
            spare: Vec::new(),
            next: Job::empty(),
            crc: 0,
            length: 0,
            workers: Workers::start(threads, Compression::new(options.level.get())),
        })
    }

    /// Takes the next bytes of the input.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.next.input.len() == BLOCK {
                self.send(false)?;
            }
            let room = BLOCK - self.next.input.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.next.input.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Ends the member and gives the writer back.
    pub(super) fn finish(mut self) -> Result<W, Error> {
        self.send(true)?;
        while self.receive()? {}
        self.out.write_all(&self.crc.to_le_bytes()).map_err(write_error)?;
        // The length is taken modulo 2^32 (RFC 1952, ISIZE).
        let modulo = self.length & u64::from(u32::MAX);
        self.out.write_all(&modulo.to_le_bytes()[..4]).map_err(write_error)?;
        Ok(self.out)
    }

    fn send(&mut self, last: bool) -> Result<(), Error> {
        if self.pending.len() == self.most_pending {
            self.receive()?;
        }
        let mut following = self.spare.pop().unwrap_or_else(Job::empty);
        following.input.clear();
        following.before.clear();
        let tail = self.next.input.len().saturating_sub(WINDOW);
        following.before.extend_from_slice(self.next.input.get(tail..).unwrap_or_default());
        let mut job = std::mem::replace(&mut self.next, following);
        job.last = last;
        let (answer, answered) = sync_channel(1);
        match &self.workers {
            Workers::Here(level) => {
                let result = job.run(*level).map(|()| job);
                answer.send(result).map_err(|_| compressor_error("no one waits for a block"))?;
            }
            Workers::There(tasks) => tasks
                .send((job, answer))
                .map_err(|_| compressor_error("the compressing threads are gone"))?,
        }
        self.pending.push_back(answered);
        Ok(())
    }

    /// Writes the oldest block; false if there is none.
    fn receive(&mut self) -> Result<bool, Error> {
        let Some(answered) = self.pending.pop_front() else { return Ok(false) };
        let job = answered
            .recv()
            .map_err(|_| compressor_error("a compressing thread died"))?
            .map_err(compressor_error)?;
        self.out.write_all(&job.output).map_err(write_error)?;
        let size = job.input.len() as u64;
        self.crc = crc32_combine(self.crc, job.crc, size);
        self.length += size;
        self.spare.push(job);
        Ok(true)
    }
}

impl Workers {
    fn start(threads: usize, level: Compression) -> Self {
        let (tasks, queue) = channel::<Task>();
        let queue = Arc::new(Mutex::new(queue));
        let started = (0..threads)
            .filter(|_| threads > 1)
            .filter(|n| {
                let queue = Arc::clone(&queue);
                let name = format!("compress-{n}");
                thread::Builder::new().name(name).spawn(move || work(&queue, level)).is_ok()
            })
            .count();
        // A host that grants no threads gets the same bytes later.
        if started == 0 { Self::Here(level) } else { Self::There(tasks) }
    }
}

fn work(queue: &Mutex<Receiver<Task>>, level: Compression) {
    loop {
        let task = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((mut job, answer)) = task else { return };
        let result = job.run(level).map(|()| job);
        if answer.send(result).is_err() {
            return;
        }
    }
}

fn write_error(source: std::io::Error) -> Error {
    Error::Write { subject: "the new layer".into(), source }
}

fn compressor_error(reason: &'static str) -> Error {
    Error::Compressor { subject: "the new layer".into(), reason }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::num::NonZeroUsize;

    use flate2::bufread::GzDecoder;
    use proptest::prelude::*;

    use super::super::Level;
    use super::*;

    fn gzip(input: &[u8], level: u32, threads: usize, step: usize) -> Vec<u8> {
        let options = Options {
            level: Level::new(level).unwrap(),
            threads: NonZeroUsize::new(threads).unwrap(),
        };
        let mut gzip = Gzip::new(Vec::new(), &options).unwrap();
        for piece in input.chunks(step) {
            gzip.push(piece).unwrap();
        }
        gzip.finish().unwrap()
    }

    /// One member, and nothing after it.
    fn gunzip(mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        GzDecoder::new(&mut bytes).read_to_end(&mut out).unwrap();
        assert_eq!(bytes, b"");
        out
    }

    /// Text of four letters: full of short matches, on which a compressor that is used again shows
    /// what it remembers in about every second block.
    fn sample(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut letter = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b"ACGT"[usize::from(state.to_le_bytes()[2] & 3)]
        };
        (0..length).map(|_| letter()).collect()
    }

    #[test]
    fn lengths_around_the_block() {
        for length in [0, 1, WINDOW, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 17] {
            let input = sample(length, 7);
            let one = gzip(&input, 2, 1, 1 << 16);
            assert_eq!(gunzip(&one), input, "{length}");
            assert_eq!(&one[..10], HEADER);
            for threads in [2, 4] {
                assert!(gzip(&input, 2, threads, 4097) == one, "{length} on {threads} threads");
            }
        }
    }

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()[7]
        };
        (0..length).map(|_| byte()).collect()
    }

    #[test]
    fn noise_fits_at_every_level() {
        let noise = noise(BLOCK + 99);
        for level in 1..=9 {
            assert_eq!(gunzip(&gzip(&noise, level, 2, noise.len())), noise, "level {level}");
        }
    }

    #[test]
    fn a_block_uses_what_came_before_it() {
        // Repeats itself over the border of two blocks, within reach of a match.
        let noise = noise(WINDOW / 2);
        let input: Vec<u8> = noise.iter().copied().cycle().take(2 * BLOCK).collect();
        let one = gzip(&input[..BLOCK], 2, 1, BLOCK).len();
        let two = gzip(&input, 2, 1, BLOCK).len();
        // Only the first block holds the noise itself.
        assert!(two + noise.len() < 2 * one + 1024, "{two} bytes for two blocks, {one} for one");
    }

    #[test]
    fn many_blocks_on_any_number_of_threads() {
        let input = sample(7 * BLOCK + 5, 1);
        let one = gzip(&input, 2, 1, BLOCK);
        assert!(gunzip(&one) == input);
        for threads in [2, 3, 4] {
            assert!(gzip(&input, 2, threads, BLOCK) == one, "{threads} threads");
        }
    }

    /// The digest of a layer is a function of compressor, level and block size. A new version of
    /// the compressor may change it: then this value changes, and the changelog says so.
    #[test]
    fn bytes_of_this_version() {
        let bytes = gzip(&sample(2 * BLOCK + 12_345, 99), 2, 2, 1 << 16);
        assert_eq!(
            fleetfix_model::Digest::of(bytes).to_string(),
            "sha256:b2ab1c1f4cdfc435977d093a03dfe14974255437a7b709ec1095bad77affceef"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn what_goes_in_comes_out(length in 0..3 * BLOCK, seed in any::<u64>(), step in 1..300_000_usize, level in 1..7_u32) {
            let input = sample(length, seed);
            let one = gzip(&input, level, 1, step);
            prop_assert!(gunzip(&one) == input);
            prop_assert!(gzip(&input, level, 3, input.len().max(1)) == one);
        }
    }
}
