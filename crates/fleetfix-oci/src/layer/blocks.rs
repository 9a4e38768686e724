//! A stream cut into blocks, compressed on the threads of a [`Pool`] and written in its order.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::Receiver;

use zlib_rs::crc32::crc32_combine;

use super::pool::{Answer, BLOCK, Job, Pool, WINDOW, defect};
use crate::Error;

/// Compresses what is pushed into it and writes it to `out`. What comes out is no file yet: the
/// head and the end of the format are missing.
#[derive(Debug)]
pub(super) struct Blocks<'a, W> {
    pool: &'a Pool,
    out: W,
    /// Blocks that are being compressed, in the order of the input.
    pending: VecDeque<Receiver<Answer>>,
    spare: Vec<Job>,
    next: Job,
    run: Run,
}

/// What went in since the start, or since the last cut.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Run {
    /// CRC-32.
    pub(super) crc: u32,
    /// Bytes.
    pub(super) length: u64,
}

impl Run {
    /// This run with `next` after it.
    pub(super) fn then(self, next: Self) -> Self {
        let crc = crc32_combine(self.crc, next.crc, next.length);
        Self { crc, length: self.length + next.length }
    }
}

impl<'a, W: Write> Blocks<'a, W> {
    pub(super) fn new(pool: &'a Pool, out: W) -> Self {
        let (pending, spare, next) = (VecDeque::new(), Vec::new(), Job::empty());
        Self { pool, out, pending, spare, next, run: Run::default() }
    }

    /// Takes the next bytes of the input.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.next.input.len() == BLOCK {
                self.send(true)?;
            }
            let room = BLOCK - self.next.input.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.next.input.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Writes all that was pushed. What is pushed later knows nothing of it.
    pub(super) fn cut(&mut self) -> Result<Run, Error> {
        if !self.next.input.is_empty() {
            self.send(false)?;
        }
        while self.receive()? {}
        Ok(std::mem::take(&mut self.run))
    }

    /// Where it is written to.
    pub(super) fn out(&self) -> &W {
        &self.out
    }

    /// Ends the stream and gives the writer back.
    pub(super) fn finish(mut self) -> Result<(Run, W), Error> {
        let run = self.cut()?;
        self.out.flush().map_err(write_error)?;
        Ok((run, self.out))
    }

    fn send(&mut self, goes_on: bool) -> Result<(), Error> {
        if self.pending.len() == self.pool.most_pending() {
            self.receive()?;
        }
        let mut following = self.spare.pop().unwrap_or_else(Job::empty);
        following.input.clear();
        following.before.clear();
        if goes_on {
            let tail = self.next.input.len().saturating_sub(WINDOW);
            following.before.extend_from_slice(self.next.input.get(tail..).unwrap_or_default());
        }
        let job = std::mem::replace(&mut self.next, following);
        self.pending.push_back(self.pool.send(job)?);
        Ok(())
    }

    /// Writes the oldest block; false if there is none.
    fn receive(&mut self) -> Result<bool, Error> {
        let Some(answered) = self.pending.pop_front() else { return Ok(false) };
        let job =
            answered.recv().map_err(|_| defect("a compressing thread died"))?.map_err(defect)?;
        self.out.write_all(&job.output).map_err(write_error)?;
        let next = Run { crc: job.crc, length: job.input.len() as u64 };
        self.run = self.run.then(next);
        self.spare.push(job);
        Ok(true)
    }
}

pub(super) fn write_error(source: std::io::Error) -> Error {
    Error::Write { subject: "the new layer".into(), source }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::num::NonZeroUsize;

    use flate2::bufread::DeflateDecoder;
    use proptest::prelude::*;

    use super::super::compression::{Algorithm, Compression, Options};
    use super::*;

    fn compressed(input: &[u8], compression: Compression, threads: usize, step: usize) -> Vec<u8> {
        let threads = NonZeroUsize::new(threads).unwrap();
        let pool = Pool::new(&Options { compression, threads });
        let mut blocks = Blocks::new(&pool, Vec::new());
        for piece in input.chunks(step) {
            blocks.push(piece).unwrap();
        }
        let (run, out) = blocks.finish().unwrap();
        let crc = zlib_rs::crc32::crc32(0, input);
        assert_eq!(run, Run { crc, length: input.len() as u64 });
        out
    }

    fn gzip(level: u32) -> Compression {
        Compression::new(Algorithm::Gzip, Some(level)).unwrap()
    }

    fn zstd() -> Compression {
        Compression::new(Algorithm::Zstd, None).unwrap()
    }

    fn inflated(bytes: &[u8]) -> Vec<u8> {
        let ended = [bytes, &[3, 0]].concat();
        let mut out = Vec::new();
        DeflateDecoder::new(&ended[..]).read_to_end(&mut out).unwrap();
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
            for compression in [gzip(2), zstd()] {
                let one = compressed(&input, compression, 1, 1 << 16);
                let back = match compression.algorithm() {
                    Algorithm::Gzip => inflated(&one),
                    // Nothing is no frame.
                    _ if length == 0 => one.clone(),
                    _ => zstd::decode_all(&one[..]).unwrap(),
                };
                assert_eq!(back, input, "{length}");
                for threads in [2, 4] {
                    let other = compressed(&input, compression, threads, 4097);
                    assert!(other == one, "{length} on {threads} threads");
                }
            }
            let none = Compression::new(Algorithm::None, None).unwrap();
            assert!(compressed(&input, none, 3, 777) == input);
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
            let back = inflated(&compressed(&noise, gzip(level), 2, noise.len()));
            assert_eq!(back, noise, "level {level}");
        }
        let back = zstd::decode_all(&compressed(&noise, zstd(), 2, 99)[..]).unwrap();
        assert_eq!(back, noise);
    }

    #[test]
    fn a_block_uses_what_came_before_it() {
        // Repeats itself over the border of two blocks, within reach of a match.
        let noise = noise(WINDOW / 2);
        let input: Vec<u8> = noise.iter().copied().cycle().take(2 * BLOCK).collect();
        let one = compressed(&input[..BLOCK], gzip(2), 1, BLOCK).len();
        let two = compressed(&input, gzip(2), 1, BLOCK).len();
        // Only the first block holds the noise itself.
        assert!(two + noise.len() < 2 * one + 1024, "{two} bytes for two blocks, {one} for one");
    }

    #[test]
    fn nothing_is_known_after_a_cut() {
        let (before, input) = (sample(WINDOW, 3), sample(BLOCK + 5, 4));
        let pool = Pool::new(&Options { compression: gzip(2), ..Options::default() });
        let mut blocks = Blocks::new(&pool, Vec::new());
        blocks.push(&before).unwrap();
        blocks.cut().unwrap();
        let start = blocks.out().len();
        blocks.push(&input).unwrap();
        let (run, out) = blocks.finish().unwrap();
        assert_eq!(run.length, input.len() as u64);
        assert!(out[start..] == compressed(&input, gzip(2), 1, 99));
        assert_eq!(inflated(&out), [before, input].concat());
    }

    #[test]
    fn many_blocks_on_any_number_of_threads() {
        let input = sample(7 * BLOCK + 5, 1);
        let one = compressed(&input, gzip(2), 1, BLOCK);
        assert!(inflated(&one) == input);
        for threads in [2, 3, 4] {
            assert!(compressed(&input, gzip(2), threads, BLOCK) == one, "{threads} threads");
        }
    }

    #[test]
    fn a_pool_that_is_stopped_takes_no_block() {
        let pool = Pool::new(&Options::default());
        let mut blocks = Blocks::new(&pool, Vec::new());
        blocks.push(b"x").unwrap();
        pool.stop();
        assert!(matches!(blocks.finish(), Err(Error::Stopped { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn what_goes_in_comes_out(length in 0..3 * BLOCK, seed in any::<u64>(), step in 1..300_000_usize, level in 1..7_u32) {
            let input = sample(length, seed);
            let one = compressed(&input, gzip(level), 1, step);
            prop_assert!(inflated(&one) == input);
            prop_assert!(compressed(&input, gzip(level), 3, input.len().max(1)) == one);
        }
    }
}
