// Loaded into a worker before its program: notes when FFmpeg gets each key frame, and when it has encoded its picture.
import { writeFileSync } from 'node:fs';
import { CodecContext } from 'node-av/lib';

const begun = [];
const pictures = [];
const { sendPacket, sendFrame } = CodecContext.prototype;
const now = () => performance.timeOrigin + performance.now();

CodecContext.prototype.sendPacket = function (packet) {
  if (packet !== null) begun.push(now());
  return sendPacket.call(this, packet);
};

CodecContext.prototype.sendFrame = async function (frame) {
  const result = await sendFrame.call(this, frame);
  // Two that are on their way at once end in the order in which they began, as good as always.
  pictures.push({ start: begun.shift(), end: now() });
  return result;
};

process.once('exit', () => writeFileSync(process.env.PICTURES_FILE, JSON.stringify(pictures)));
