//! Answers that were compressed for the way (RFC 9110, 8.4). Must not know how they came.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use super::error::HttpError;

/// The size of brotli's buffer.
const BUFFER_BYTES: usize = 16 << 10;
/// What each member of gzip begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decodes a body by its `content-encoding`, the last coding first. A body in a coding that is not known stays as it is.
pub(super) fn decoded(body: Bytes, encoding: &str, bytes_max: usize) -> Result<Bytes, HttpError> {
    let mut body = body;
    for coding in encoding.split(',').rev() {
        let coding = coding.trim().to_ascii_lowercase();
        if body.is_empty() {
            break;
        }
        body = match coding.as_str() {
            "gzip" | "x-gzip" => gzip(&body, &coding, bytes_max)?,
            // Some servers leave zlib's frame out.
            "deflate" => match body[0] & 0x0f {
                8 => read(ZlibDecoder::new(&*body), &coding, bytes_max)?,
                _ => read(DeflateDecoder::new(&*body), &coding, bytes_max)?,
            },
            "br" => read(
                brotli::Decompressor::new(&*body, BUFFER_BYTES),
                &coding,
                bytes_max,
            )?,
            "zstd" => zstd(&body, &coding, bytes_max)?,
            "identity" | "" => continue,
            _ => break,
        };
    }
    Ok(body)
}

/// One member after the other (RFC 1952, 2.2). What else stands behind them, padding mostly, is left out, as browsers and curl do.
fn gzip(mut members: &[u8], coding: &str, bytes_max: usize) -> Result<Bytes, HttpError> {
    let mut body = Vec::new();
    loop {
        append(&mut body, GzDecoder::new(&mut members), coding, bytes_max)?;
        if !members.starts_with(&GZIP_MAGIC) {
            return Ok(body.into());
        }
    }
}

/// One frame after the other (RFC 8878, 3): the decoder reads one.
fn zstd(mut frames: &[u8], coding: &str, bytes_max: usize) -> Result<Bytes, HttpError> {
    let mut body = Vec::new();
    while !frames.is_empty() {
        let frame = StreamingDecoder::new(&mut frames)
            .map_err(|e| HttpError::Encoding(format!("{coding}: {e}")))?;
        append(&mut body, frame, coding, bytes_max)?;
    }
    Ok(body.into())
}

fn read(from: impl Read, coding: &str, bytes_max: usize) -> Result<Bytes, HttpError> {
    let mut body = Vec::new();
    append(&mut body, from, coding, bytes_max)?;
    Ok(body.into())
}

/// Fails if the body gets longer than that.
fn append(
    body: &mut Vec<u8>,
    from: impl Read,
    coding: &str,
    bytes_max: usize,
) -> Result<(), HttpError> {
    // One byte more shows that there is more.
    let most = (bytes_max - body.len()) as u64 + 1;
    from.take(most)
        .read_to_end(body)
        .map_err(|e| HttpError::Encoding(format!("{coding}: {e}")))?;
    match body.len() > bytes_max {
        true => Err(HttpError::TooLong),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use ruzstd::encoding::CompressionLevel;

    use super::*;

    const TEXT: &[u8] = b"said again and again and again and again and again";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    fn brotli(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4096, 5, 20)
            .write_all(bytes)
            .unwrap();
        out
    }

    #[test]
    fn a_body_is_decoded_as_its_header_says() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(TEXT).unwrap();
        for (encoding, body) in [
            ("gzip", gzip(TEXT)),
            ("X-GZip", gzip(TEXT)),
            ("gzip", [gzip(&TEXT[..9]), gzip(&TEXT[9..])].concat()),
            ("gzip", [gzip(TEXT), vec![0; 512]].concat()),
            ("gzip", [gzip(TEXT), b"\r\n".to_vec()].concat()),
            ("br", brotli(TEXT)),
            ("br", [brotli(TEXT), b"\n".to_vec()].concat()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("br, gzip", gzip(&brotli(TEXT))),
            ("identity", TEXT.to_vec()),
            ("zstd", zstd(TEXT)),
            ("zstd", [zstd(&TEXT[..9]), zstd(&TEXT[9..])].concat()),
            ("dcz", TEXT.to_vec()),
        ] {
            let found = decoded(body.into(), encoding, 1_000).unwrap();
            assert_eq!(found, TEXT, "{encoding}");
        }
    }

    #[test]
    fn a_body_that_is_damaged_or_grows_too_long_is_refused() {
        for (coding, encode) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
            let kind = |body: Vec<u8>, most| decoded(body.into(), coding, most).unwrap_err();
            let mut cut = encode(TEXT);
            cut.truncate(20);
            assert!(matches!(kind(cut, 1_000), HttpError::Encoding(_)));
            assert!(matches!(kind(TEXT.to_vec(), 1_000), HttpError::Encoding(_)));
            let long = encode(&[b'x'; 100_000]);
            assert!(matches!(kind(long.clone(), 99_999), HttpError::TooLong));
            assert_eq!(
                decoded(long.into(), coding, 100_000).unwrap().len(),
                100_000
            );
        }
    }
}
