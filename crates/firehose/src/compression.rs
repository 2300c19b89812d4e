//! `CompressionFormat`: how objects are compressed.

use std::io::{Cursor, Result, Write};

use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use snap::write::FrameEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Bytes of a block of Hadoop's form, before compression: Hadoop's default (`io.compression.codec.snappy.buffersize`).
const BLOCK: usize = 256 * 1024;

/// How an object is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// `UNCOMPRESSED`
    #[default]
    None,
    /// `GZIP`
    Gzip,
    /// `ZIP`: an archive of one file
    Zip,
    /// `Snappy`, in its framing format: <https://github.com/google/snappy/blob/main/framing_format.txt>
    Snappy,
    /// `HADOOP_SNAPPY`: blocks as Hadoop's `BlockCompressorStream` writes them
    HadoopSnappy,
}

impl Compression {
    /// Every format with its name and the extension that it gives to objects:
    /// <https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html>.
    const ALL: [(Compression, &'static str, &'static str); 5] = [
        (Compression::None, "UNCOMPRESSED", ""),
        (Compression::Gzip, "GZIP", ".gz"),
        (Compression::Zip, "ZIP", ".zip"),
        (Compression::Snappy, "Snappy", ".snappy"),
        (Compression::HadoopSnappy, "HADOOP_SNAPPY", ".hsnappy"),
    ];

    /// The format of a name.
    pub fn parse(name: &str) -> Option<Compression> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(format, ..)| *format)
    }

    fn row(self) -> (&'static str, &'static str) {
        let row = Self::ALL.iter().find(|(format, ..)| *format == self);
        row.map_or(("UNCOMPRESSED", ""), |(_, name, extension)| (*name, *extension))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What the names of objects end with.
    pub fn extension(self) -> &'static str {
        self.row().1
    }

    /// `Content-Encoding` of objects.
    pub fn encoding(self) -> Option<&'static str> {
        (self == Compression::Gzip).then_some("gzip")
    }

    /// Begins an object; `name` is that of the file in an archive.
    pub fn begin(self, name: &str) -> Result<Encoder> {
        Ok(match self {
            Compression::None => Encoder::Plain(Vec::new()),
            Compression::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Compression::Zip => {
                let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
                archive.start_file(name, SimpleFileOptions::default())?;
                Encoder::Zip(Box::new(archive))
            }
            Compression::Snappy => Encoder::Snappy(Box::new(FrameEncoder::new(Vec::new()))),
            Compression::HadoopSnappy => Encoder::Hadoop { block: Vec::new(), out: Vec::new() },
        })
    }
}

/// An object that is being compressed.
pub enum Encoder {
    /// as it is
    Plain(Vec<u8>),
    /// gzip
    Gzip(GzEncoder<Vec<u8>>),
    /// an archive
    Zip(Box<ZipWriter<Cursor<Vec<u8>>>>),
    /// Snappy's frames
    Snappy(Box<FrameEncoder<Vec<u8>>>),
    /// Hadoop's blocks
    Hadoop {
        /// what the next block has so far
        block: Vec<u8>,
        /// the blocks
        out: Vec<u8>,
    },
}

impl Encoder {
    /// Takes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Encoder::Plain(out) => out.write_all(bytes),
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Zip(archive) => archive.write_all(bytes),
            Encoder::Snappy(encoder) => encoder.write_all(bytes),
            Encoder::Hadoop { block, out } => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(rest.len().min(BLOCK - block.len()));
                    block.extend_from_slice(now);
                    rest = later;
                    if block.len() == BLOCK {
                        write_block(block, out)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The object.
    pub fn finish(self) -> Result<Vec<u8>> {
        match self {
            Encoder::Plain(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zip(archive) => Ok(archive.finish()?.into_inner()),
            Encoder::Snappy(encoder) => encoder.into_inner().map_err(|error| error.into_error()),
            Encoder::Hadoop { mut block, mut out } => {
                if !block.is_empty() {
                    write_block(&mut block, &mut out)?;
                }
                Ok(out)
            }
        }
    }
}

/// A block: its length, the length of its one piece compressed (both in four bytes, the highest first), the piece.
/// <https://github.com/apache/hadoop/blob/trunk/hadoop-common-project/hadoop-common/src/main/java/org/apache/hadoop/io/compress/BlockCompressorStream.java>
fn write_block(block: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<()> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(std::io::Error::other);
    let compressed = snap::raw::Encoder::new().compress_vec(block)?;
    out.extend_from_slice(&length(block)?.to_be_bytes());
    out.extend_from_slice(&length(&compressed)?.to_be_bytes());
    out.extend_from_slice(&compressed);
    block.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn compressed(format: Compression, chunks: &[Vec<u8>]) -> Vec<u8> {
        let mut encoder = format.begin("name").unwrap();
        for chunk in chunks {
            encoder.write(chunk).unwrap();
        }
        encoder.finish().unwrap()
    }

    /// What Hadoop's `BlockDecompressorStream` reads.
    fn from_hadoop(mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let number = |bytes: &mut &[u8]| {
            let (head, rest) = bytes.split_at(4);
            *bytes = rest;
            u32::from_be_bytes(head.try_into().unwrap()) as usize
        };
        while !bytes.is_empty() {
            let end = out.len() + number(&mut bytes);
            while out.len() < end {
                let length = number(&mut bytes);
                let (piece, rest) = bytes.split_at(length);
                out.extend(snap::raw::Decoder::new().decompress_vec(piece).unwrap());
                bytes = rest;
            }
            assert_eq!(out.len(), end);
        }
        out
    }

    fn plain(format: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match format {
            Compression::None => return bytes.to_vec(),
            Compression::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap(),
            Compression::Zip => {
                let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
                assert_eq!(archive.len(), 1);
                let mut file = archive.by_index(0).unwrap();
                assert_eq!(file.name().unwrap(), "name");
                file.read_to_end(&mut out).unwrap()
            }
            Compression::Snappy => snap::read::FrameDecoder::new(bytes).read_to_end(&mut out).unwrap(),
            Compression::HadoopSnappy => return from_hadoop(bytes),
        };
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_format_gives_back_what_it_took(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2_000), 0..8), times in 1usize..300,
        ) {
            let chunks: Vec<Vec<u8>> = chunks.into_iter().map(|chunk| chunk.repeat(times)).collect();
            for (format, name, _) in Compression::ALL {
                prop_assert_eq!(Compression::parse(name), Some(format));
                let got = plain(format, &compressed(format, &chunks));
                prop_assert!(got == chunks.concat(), "{}", name);
            }
        }
    }
}
