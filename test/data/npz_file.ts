import { crc32, deflateRawSync } from 'node:zlib';

/** A zip as numpy.savez_compressed writes it, sizes of ZIP64 and all, from the format's description. */
export function npzOf(arrays: Record<string, Uint8Array>, { compressed = true } = {}): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, data] of Object.entries(arrays)) {
    const packed = compressed ? deflateRawSync(data) : Buffer.from(data);
    const file = Buffer.from(`${name}.npy`);
    const about = [45, 0, compressed ? 8 : 0, 0, 33];
    const short = Buffer.from(Uint16Array.from(about).buffer);
    const sizes = Buffer.from(Uint32Array.of(crc32(data), packed.length, data.length).buffer);
    // NumPy reserves room for 64-bit sizes in the local header alone.
    const extra = Buffer.alloc(20);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(16, 2);
    extra.writeBigUInt64LE(BigInt(data.length), 4);
    extra.writeBigUInt64LE(BigInt(packed.length), 12);
    const unknown = Buffer.from(Uint32Array.of(crc32(data), 0xffffffff, 0xffffffff).buffer);
    const lengths = Buffer.from(Uint16Array.of(file.length, extra.length).buffer);
    const piece = Buffer.concat([Buffer.from('PK\x03\x04'), short, unknown, lengths, file, extra, packed]);
    local.push(piece);
    const tail = Buffer.alloc(18);
    tail.writeUInt16LE(file.length, 0);
    tail.writeUInt32LE(offset, 14);
    central.push(Buffer.from('PK\x01\x02'), Buffer.from(Uint16Array.of(45).buffer), short, sizes, tail, file);
    offset += piece.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(local.length, 8);
  end.writeUInt16LE(local.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, directory, end]);
}
