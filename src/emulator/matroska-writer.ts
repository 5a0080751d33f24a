import { tools } from 'ebml';
import { ElementId } from '../matroska/elements.ts';

type Content = Buffer | string | number | readonly Buffer[];

/**
 * An element of known size. Numbers become unsigned integers of 1-8 bytes, texts UTF-8.
 *
 * @param sizeBytes width of the size, 1-8 bytes; by default the narrowest
 */
export function element(id: number, content: Content, sizeBytes?: number): Buffer {
  const data = contentBytes(content);
  const size = sizeBytes === undefined ? tools.writeVint(data.length) : vint(BigInt(data.length), sizeBytes);
  return Buffer.concat([unsigned(id), size, data]);
}

/**
 * The header of a master of unknown size: everything that follows and can stand in it is its content.
 *
 * @param sizeBytes width of the size, 1-8 bytes
 */
export function unknownSizeHeader(id: number, sizeBytes = 8): Buffer {
  return Buffer.concat([unsigned(id), vint(2n ** BigInt(7 * sizeBytes) - 1n, sizeBytes)]);
}

/** The EBML header that starts every Matroska document (RFC 8794, 11.2.1). */
export const EBML_HEADER = element(ElementId.EBML, [
  element(0x4286, 1), // EBMLVersion
  element(0x42f7, 1), // EBMLReadVersion
  element(0x42f2, 4), // EBMLMaxIDLength
  element(0x42f3, 8), // EBMLMaxSizeLength
  element(ElementId.DocType, 'matroska'),
  element(0x4287, 2), // DocTypeVersion
  element(0x4285, 2), // DocTypeReadVersion
]);

/** One Tags element with a SimpleTag for each entry. All sizes have the same width, by default the narrowest. */
export function tagsElement(tags: Readonly<Record<string, string>>, sizeBytes?: number): Buffer {
  const simpleTags = Object.entries(tags).map(([name, value]) => {
    const parts = [
      element(ElementId.TagName, name, sizeBytes),
      element(ElementId.TagString, value, sizeBytes),
    ];
    return element(ElementId.SimpleTag, parts, sizeBytes);
  });
  return element(ElementId.Tags, [element(ElementId.Tag, simpleTags, sizeBytes)], sizeBytes);
}

/** A SimpleBlock without lacing. `timecode` is relative to the Cluster, in units of TimestampScale. */
export function simpleBlock(
  block: { trackNumber: number; timecode: number; keyFrame: boolean; payload: Buffer },
  sizeBytes?: number,
): Buffer {
  const content = [blockHeader(block, block.keyFrame ? 0x80 : 0), block.payload];
  return element(ElementId.SimpleBlock, content, sizeBytes);
}

/** A BlockGroup with one Block without lacing. Only what refers to no other block is a key frame. */
export function blockGroup(block: {
  trackNumber: number;
  timecode: number;
  keyFrame: boolean;
  payload: Buffer;
}): Buffer {
  const parts = [element(ElementId.Block, [blockHeader(block, 0), block.payload])];
  if (!block.keyFrame) parts.push(element(ElementId.ReferenceBlock, 1));
  return element(ElementId.BlockGroup, parts);
}

function blockHeader({ trackNumber, timecode }: { trackNumber: number; timecode: number }, flags: number) {
  const header = Buffer.alloc(3);
  header.writeInt16BE(timecode);
  header[2] = flags;
  return Buffer.concat([tools.writeVint(trackNumber), header]);
}

function contentBytes(content: Content): Buffer {
  if (typeof content === 'number') return unsigned(content);
  if (typeof content === 'string') return Buffer.from(content);
  return Buffer.isBuffer(content) ? content : Buffer.concat(content as readonly Buffer[]);
}

function unsigned(value: number): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

function vint(value: bigint, bytes: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE((2n ** BigInt(7 * bytes)) | value);
  return buffer.subarray(8 - bytes);
}
