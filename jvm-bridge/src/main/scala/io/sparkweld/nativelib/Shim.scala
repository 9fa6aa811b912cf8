package io.sparkweld.nativelib

import java.io.IOException
import java.nio.file.{Files, Path, Paths}
import java.util.Locale

import io.sparkweld.host.SafeFiles

/**
 * The native methods of the C sources, and the loading of its library.
 *
 * Addresses are plain numbers and are not checked: a caller owns every buffer that it names and its length. Each method
 * throws [[NativeError]] with the text of LLVM or of the loader.
 */
private[sparkweld] object Shim {
  /** A development build of the shim to load instead of the one in the jar. */
  val PathProperty = "sparkweld.shim"

  private val LibraryName = "libsparkweld_jni.so"
  private var loaded = false

  /** Loads the shim once for this class loader; later calls return at once. */
  def load(): Unit = synchronized {
    if (!loaded) {
      Option(System.getProperty(PathProperty)) match {
        case Some(path) => loadFile(Paths.get(path).toAbsolutePath, s"set by the property $PathProperty")
        case None => loadResource()
      }
      loaded = true
    }
  }

  @native def open(path: Array[Byte]): Long
  @native def cpuName(runtime: Long): String
  @native def cpuFeatures(runtime: Long): String
  @native def resolve(name: Array[Byte]): Long
  @native def link(runtime: Long, library: Array[Byte], objectCode: Array[Byte], symbol: Array[Byte],
      importNames: Array[Array[Byte]], importAddresses: Array[Long], out: Array[Long]): Unit
  @native def unlink(runtime: Long, tracker: Long): Unit
  @native def call(kernel: Long, columns: Array[Long], n: Long, result: Array[Long]): Unit
  /** Runs a kernel and one that merges its rows into groups by turns over blocks of a batch; merging.c says what the arrays hold. */
  @native def mergeBlocks(kernel: Long, merger: Long, columns: Array[Long], steps: Array[Long], merged: Array[Long],
      widths: Array[Long], own: Array[Long], outputs: Int, turn: Array[Long]): Unit

  /** Arrow validity bits (1 = valid) to null bytes (1 = NULL); returns the number of NULLs. */
  @native def unpackValidity(bits: Long, n: Long, nulls: Long): Long
  /** Arrow boolean bits to bytes 0 or 1. */
  @native def unpackBooleans(bits: Long, n: Long, out: Long): Unit
  /** The number of null bytes that are set. */
  @native def countNulls(nulls: Long, n: Long): Long
  /** The largest id, read as unsigned, of the rows that are not NULL (nulls = 0: none is); -1 when all are. */
  @native def maxId(ids: Long, nulls: Long, n: Long): Long
  /** `out[i] = table[ids[i]]` for values of `width` bytes, 0 for NULL rows. The ids must be within the table. */
  @native def gather(width: Int, table: Long, ids: Long, nulls: Long, n: Long, out: Long): Unit
  /** `n` copies of the low `width` bytes of `value`. */
  @native def fill(width: Int, value: Long, n: Long, out: Long): Unit

  // Texts are 16-byte views: address, length in bytes. `nulls` = 0: no row is NULL. NULL rows get (0, 0).

  // Those that read offsets return whether all texts lie in the memory that is given; if not, no view may be used.

  /** Views of texts at int32 `offsets` from `base`, where `size` bytes are, with int32 `lengths`. */
  @native def views(base: Long, size: Long, offsets: Long, lengths: Long, nulls: Long, n: Long, out: Long): Boolean
  /** Views of Arrow's texts: n + 1 offsets from `base`, where `size` bytes are, of `width` 4 or 8 bytes. */
  @native def arrowTexts(width: Int, base: Long, size: Long, offsets: Long, nulls: Long, n: Long, out: Long): Boolean
  /** Views of Arrow's string views, whose long texts lie in `buffers` of `sizes` bytes. */
  @native def arrowViews(views: Long, buffers: Array[Long], sizes: Array[Long], nulls: Long, n: Long, out: Long): Boolean
  /** `n` views of one text. */
  @native def fillViews(address: Long, length: Long, n: Long, out: Long): Unit
  /** Makes the views of NULL rows (0, 0). */
  @native def clearNullViews(views: Long, nulls: Long, n: Long): Unit
  /**
   * The int32 ends of `n` texts, the first of which begins at `used`; returns the last, which need not fit. `picked`: int32 numbers
   * of their views, 0: all, one after the other.
   */
  @native def textEnds(views: Long, picked: Long, n: Long, used: Long, ends: Long): Long
  /** Copies the bytes of the same texts, one behind the other. */
  @native def copyTexts(views: Long, picked: Long, n: Long, out: Long): Unit

  // Views of lists: the address of the first of n elements of `width` bytes, and n, or ~n when one of them is NULL.

  /** Copies `n` floats of `width` bytes, NaN where NULL. */
  @native def filled(base: Long, width: Int, nulls: Long, n: Long, out: Long): Unit
  /** How many elements of the child the rows with these int32 `offsets` and `lengths` reach over; -1: one of these is below 0. */
  @native def listEnd(offsets: Long, lengths: Long, nulls: Long, n: Long): Long
  /**
   * Views of lists of elements at `base`, by int32 `offsets` and `lengths` in elements, which `listEnd` has seen; `elementNulls` = 0:
   * none is NULL.
   */
  @native def lists(base: Long, width: Int, elementNulls: Long, offsets: Long, lengths: Long, nulls: Long, n: Long, out: Long): Unit
  /** The same by Arrow's n + 1 int32 `offsets`; returns whether all are among `count` elements. If not, no view may be used. */
  @native def arrowLists(base: Long, width: Int, elementNulls: Long, count: Long, offsets: Long, nulls: Long, n: Long,
      out: Long): Boolean

  /**
   * The values of `width` bytes (16: texts) and null bytes of a field of UnsafeRows, whose addresses lie at `rows`; returns
   * the number of NULLs.
   */
  @native def rowField(rows: Long, n: Long, fields: Int, ordinal: Int, width: Int, out: Long, nulls: Long): Long

  // Columns to be written into rows: four words each (values, null bytes or 0, form, row numbers or 0), see RowWriter.

  /** The sizes (int32) of `n` rows of `fixed` bytes and texts; returns the largest, which need not fit. */
  @native def sizeRows(columns: Long, count: Int, n: Long, fixed: Long, sizes: Long): Long
  /**
   * Writes UnsafeRows from row `first` of `n` on into `limit` bytes at `out`, but one at least; returns how many. Their
   * starts come to `places`, and the end of the last. `sizes` = 0: all have `fixed` bytes.
   */
  @native def writeRows(columns: Long, count: Int, sizes: Long, fixed: Long, first: Long, n: Long, limit: Long, out: Long,
      places: Long): Long

  // Caches of rows, in memory of `cacheOpen`; columns are three words each: values, null bytes, width (16: texts).

  /** Makes an empty cache of `bytes` bytes at the address `cache`. `seed`: of its hashes. */
  @native def cacheOpen(cache: Long, bytes: Long, seed: Long): Unit
  /**
   * The distinct ones of `n` rows, and what the cache has for them, in `outputs` from row n - 1 downwards. `misses` are the rows
   * that it does not have, `ids` say where among the outputs each row's are once the misses' are the first. `table`: zeros, `slots`
   * int32, a power of two and at least 2n. `texts`: two int64, where the bytes of texts go and how far. Returns how many misses.
   */
  @native def cacheFind(cache: Long, inputs: Array[Long], outputs: Array[Long], n: Long, ids: Long, misses: Long, hashes: Long,
      table: Long, slots: Long, texts: Long): Long
  /** Keeps the first `m` rows of `outputs`, which are those of the rows `misses`, where no flag (0: none) is set. */
  @native def cacheKeep(cache: Long, inputs: Array[Long], outputs: Array[Long], flags: Long, m: Long, misses: Long,
      hashes: Long): Unit

  private def loadFile(path: Path, origin: String): Unit =
    try System.load(path.toString)
    catch {
      case e: UnsatisfiedLinkError =>
        throw new NativeError(
          s"cannot load SparkWeld's native shim $path ($origin): ${e.getMessage}. If its folder is mounted noexec, set " +
            s"-Djava.io.tmpdir to another one; otherwise build the bridge on this kind of host", e)
    }

  /** Loads a private copy of the jar's library: one file a class loader, gone from the disk as soon as it is mapped. */
  private def loadResource(): Unit = {
    val resource = s"/native/$platform/$LibraryName"
    val stream = getClass.getResourceAsStream(resource)
    if (stream == null) {
      throw new NativeError(s"SparkWeld's jar has no native shim for this platform: $resource is missing; " +
        "build the bridge on this platform (python jvm-bridge/build.py)")
    }
    val folder =
      try SafeFiles.newPrivateFolder()
      catch { case e: IOException => throw cannotExtract(System.getProperty("java.io.tmpdir"), e) }
    val file = folder.resolve(LibraryName)
    try {
      try Files.copy(stream, file)
      catch { case e: IOException => throw cannotExtract(folder.toString, e) }
      finally stream.close()
      loadFile(file, s"from $resource of the jar")
    } finally {
      Files.deleteIfExists(file)
      Files.deleteIfExists(folder)
    }
  }

  private def cannotExtract(folder: String, cause: IOException): NativeError =
    new NativeError(s"cannot write SparkWeld's native shim into $folder: $cause; set -Djava.io.tmpdir to a writable " +
      "folder", cause)

  private def platform: String = {
    val machine = System.getProperty("os.arch") match {
      case "amd64" => "x86_64"
      case "arm64" => "aarch64"
      case other => other
    }
    s"${System.getProperty("os.name").toLowerCase(Locale.ROOT)}-$machine"
  }
}
