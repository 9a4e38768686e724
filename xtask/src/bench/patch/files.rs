//! The new files of a run, in the form that each contender takes, and stamped so that no two runs
//! have the same: nothing is compressed or stored already.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::program::{MARK, STAMP};
use crate::cache::hex;
use crate::command::Command;
use crate::failure::Failure;

/// The file's path in the image, without the first slash.
pub(super) const PATH: &str = "usr/bin/app";

/// Files for some architectures, below one directory:
/// `files/ARCH/usr/bin/app` for the product, `layer-ARCH.tar` for those that append layers, and
/// `context/` with a Containerfile for those that build.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    /// Where stamps are: files with offsets.
    stamps: BTreeMap<PathBuf, Vec<u64>>,
}

impl Files {
    /// Lays out the program of each architecture below a new directory.
    pub(super) fn lay_out(dir: &Path, programs: &[(&str, PathBuf)]) -> Result<Self, Failure> {
        let mut files = Self { dir: dir.to_path_buf(), stamps: BTreeMap::new() };
        let context = files.context();
        fs::create_dir_all(&context).map_err(Failure::at(&context))?;
        let containerfile = context.join("Containerfile");
        fs::write(&containerfile, CONTAINERFILE).map_err(Failure::at(&containerfile))?;
        for (architecture, program) in programs {
            let file = files.file(architecture);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent).map_err(Failure::at(parent))?;
            }
            fs::copy(program, &file).map_err(Failure::at(program))?;
            let linked = context.join(format!("app-{architecture}"));
            fs::hard_link(&file, &linked).map_err(Failure::at(&linked))?;
            let layer = files.layer(architecture);
            let tree = files.files().join(architecture);
            Command::new("tar")
                .args(["--create", "--format=ustar", "--numeric-owner", "--owner=0", "--group=0"])
                .args(["--mode=0755".as_ref(), "--file".as_ref(), layer.as_os_str()])
                .args(["--directory".as_ref(), tree.as_os_str(), PATH.as_ref()])
                .quiet()?;
            for path in [file, layer] {
                let offsets = offsets(&path)?;
                files.stamps.insert(path, offsets);
            }
        }
        Ok(files)
    }

    /// Makes the files different from all with another number.
    pub(super) fn stamp(&self, number: u64) -> Result<(), Failure> {
        let digits = format!("{number:0STAMP$}");
        for (path, offsets) in &self.stamps {
            let mut file = File::options().write(true).open(path).map_err(Failure::at(path))?;
            for offset in offsets {
                file.seek(SeekFrom::Start(*offset)).map_err(Failure::at(path))?;
                file.write_all(digits.as_bytes()).map_err(Failure::at(path))?;
            }
        }
        Ok(())
    }

    /// The directory for the product.
    pub(super) fn files(&self) -> PathBuf {
        self.dir.join("files")
    }

    /// The directory to build in.
    pub(super) fn context(&self) -> PathBuf {
        self.dir.join("context")
    }

    /// The new file.
    pub(super) fn file(&self, architecture: &str) -> PathBuf {
        self.files().join(architecture).join(PATH)
    }

    /// An uncompressed layer with the file.
    pub(super) fn layer(&self, architecture: &str) -> PathBuf {
        self.dir.join(format!("layer-{architecture}.tar"))
    }

    /// Digest and size of the new file.
    pub(super) fn content(&self, architecture: &str) -> Result<(String, u64), Failure> {
        let path = self.file(architecture);
        let file = File::open(&path).map_err(Failure::at(&path))?;
        digest(file).map_err(Failure::at(&path))
    }
}

const CONTAINERFILE: &str = "\
ARG BASE
FROM ${BASE}
ARG TARGETARCH
COPY --chown=0:0 --chmod=0755 app-${TARGETARCH} /usr/bin/app
LABEL vcs-ref=cccccccccccccccccccccccccccccccccccccccc
";

/// Digest and length of all that there is to read.
pub(super) fn digest(mut from: impl Read) -> std::io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok((format!("sha256:{}", hex(&hash.finalize())), size));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        size += u64::try_from(read).unwrap_or_default();
    }
}

/// Where the stamps of a file are.
fn offsets(path: &Path) -> Result<Vec<u64>, Failure> {
    let grep = ["--byte-offset", "--only-matching", "--text", "--fixed-strings", MARK];
    let found = Command::new("grep").args(grep).args([path]).env("LC_ALL", "C").quiet()?;
    let found = String::from_utf8_lossy(&found).into_owned();
    let mark = u64::try_from(MARK.len()).unwrap_or_default();
    let offset = |line: &str| line.split(':').next()?.parse::<u64>().ok();
    let offsets: Vec<u64> = found.lines().filter_map(offset).map(|at| at + mark).collect();
    if offsets.is_empty() {
        return Err(Failure::new(format!("{}: no stamp in it", path.display())));
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_changes_every_form_of_a_file_and_nothing_else() {
        let dir = std::env::temp_dir().join(format!("xtask-files-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let program = dir.join("program");
        let text = |number: &str| format!("\u{7f}ELF\n\0{MARK}{number}\nrest");
        fs::write(&program, text("0000000000000000")).unwrap();
        let files = Files::lay_out(&dir.join("x"), &[("arm64", program)]).unwrap();
        let layer = || fs::read(files.layer("arm64")).unwrap();
        let (before, digest_before) = (layer(), files.content("arm64").unwrap());
        files.stamp(42).unwrap();
        let stamped = text("0000000000000042");
        for path in [files.file("arm64"), files.context().join("app-arm64")] {
            assert_eq!(fs::read_to_string(path).unwrap(), stamped);
        }
        let after = layer();
        assert_eq!(after.len(), before.len());
        assert!(String::from_utf8_lossy(&after).contains(&stamped));
        assert_eq!(before.iter().zip(&after).filter(|(a, b)| a != b).count(), 2);
        let (digest, size) = files.content("arm64").unwrap();
        assert_ne!(digest, digest_before.0);
        assert_eq!(size, u64::try_from(stamped.len()).unwrap());
        fs::remove_dir_all(&dir).unwrap();
    }
}
