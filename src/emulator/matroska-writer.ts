import { tools } from 'ebml';
import { ElementId } from '../matroska/elements.ts';

type Content = Buffer | string | number | readonly Buffer[];

/** An element of known size. Numbers become unsigned integers of 1-8 bytes, texts UTF-8. */
export function element(id: number, content: Content): Buffer {
  const data = contentBytes(content);
  return Buffer.concat([unsigned(id), tools.writeVint(data.length), data]);
}

/** The header of a master of unknown size: everything that follows and can stand in it is its content. */
export function unknownSizeHeader(id: number): Buffer {
  return Buffer.concat([unsigned(id), Buffer.from('01ffffffffffffff', 'hex')]);
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

/** One Tags element with a SimpleTag for each entry. */
export function tagsElement(tags: Readonly<Record<string, string>>): Buffer {
  const simpleTags = Object.entries(tags).map(([name, value]) =>
    element(ElementId.SimpleTag, [element(ElementId.TagName, name), element(ElementId.TagString, value)]),
  );
  return element(ElementId.Tags, [element(ElementId.Tag, simpleTags)]);
}

/** A SimpleBlock without lacing. `timecode` is relative to the Cluster, in units of TimestampScale. */
export function simpleBlock(block: {
  trackNumber: number;
  timecode: number;
  keyFrame: boolean;
  payload: Buffer;
}): Buffer {
  const header = Buffer.alloc(3);
  header.writeInt16BE(block.timecode);
  header[2] = block.keyFrame ? 0x80 : 0;
  return element(ElementId.SimpleBlock, [tools.writeVint(block.trackNumber), header, block.payload]);
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
