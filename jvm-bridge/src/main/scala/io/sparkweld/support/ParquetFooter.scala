package io.sparkweld
package support

import java.io.{ByteArrayInputStream, IOException}
import java.nio.{ByteBuffer, ByteOrder}
import java.nio.charset.StandardCharsets.US_ASCII

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.FileStatus
import org.apache.parquet.format.Util

/**
 * Reads the number of rows from a Parquet file's footer.
 *
 * It decodes only the head of the footer, mostly by one read of the file's end. ParquetFileReader would also decode the metadata of all
 * columns, and its first use loads six hundred classes, while a query waits for its plan.
 */
private[sparkweld] object ParquetFooter {
  /** Followed by nothing; before it is the length of the footer. A file with an encrypted footer ends otherwise. */
  private val Magic = "PAR1".getBytes(US_ASCII)
  private val EndBytes = Integer.BYTES + Magic.length
  /** Most footers are shorter. */
  private val FirstRead = 1 << 16

  /** Returns the number of rows. Throws IOException for a file that is not Parquet, or has an encrypted footer. */
  def rows(file: FileStatus, conf: Configuration): Long = {
    val stream = file.getPath.getFileSystem(conf).open(file.getPath)
    try {
      def last(count: Long): Array[Byte] = {
        val bytes = new Array[Byte](math.min(count, file.getLen).toInt)
        stream.readFully(file.getLen - bytes.length, bytes)
        bytes
      }
      val end = last(FirstRead)
      if (!end.endsWith(Magic) || end.length < EndBytes) throw new IOException(s"${file.getPath} has no readable Parquet footer")
      val length = ByteBuffer.wrap(end, end.length - EndBytes, Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN).getInt
      if (length < 0 || length > file.getLen - EndBytes) throw new IOException(s"${file.getPath} has a footer of $length bytes")
      val whole = if (length + EndBytes <= end.length) end else last(length.toLong + EndBytes)
      Util.readFileMetaData(new ByteArrayInputStream(whole, whole.length - EndBytes - length, length), true).getNum_rows
    } finally stream.close()
  }
}
