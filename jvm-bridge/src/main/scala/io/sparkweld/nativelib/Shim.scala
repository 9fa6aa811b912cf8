package io.sparkweld
package nativelib

import java.io.IOException
import java.nio.file.{Files, Path, Paths}
import java.util.Locale

import io.sparkweld.host.SafeFiles

/**
 * Declares the native methods of the C sources and loads their library.
 *
 * Addresses are plain numbers and are not checked: the caller owns every buffer that it passes and its length. Each method throws
 * [[NativeError]] with the message of LLVM or the loader.
 */
private[sparkweld] object Shim {
  /** The property that names a development build of the shim, to load instead of the one in the jar. */
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
  /**
   * Runs a kernel and the kernel that merges its rows into groups alternately over blocks of a batch; merging.c documents the
   * arrays.
   */
  @native def mergeBlocks(kernel: Long, merger: Long, columns: Array[Long], steps: Array[Long], merged: Array[Long],
      widths: Array[Long], own: Array[Long], outputs: Int, turn: Array[Long]): Unit

  /** Converts Arrow validity bits (1 = valid) to null bytes (1 = NULL); returns the number of NULLs. */
  @native def unpackValidity(bits: Long, n: Long, nulls: Long): Long
  /** Converts Arrow boolean bits to bytes 0 or 1. */
  @native def unpackBooleans(bits: Long, n: Long, out: Long): Unit
  /** Returns the number of null bytes that are set. */
  @native def countNulls(nulls: Long, n: Long): Long
  /** Returns the largest id, as unsigned, of the rows that are not NULL (nulls = 0: no NULLs); -1 when there are none. */
  @native def maxId(ids: Long, nulls: Long, n: Long): Long
  /** Sets `out[i] = table[ids[i]]` for values of `width` bytes, 0 for NULL rows. The ids must be within the table. */
  @native def gather(width: Int, table: Long, ids: Long, nulls: Long, n: Long, out: Long): Unit
  /** Writes `n` copies of the low `width` bytes of `value`. */
  @native def fill(width: Int, value: Long, n: Long, out: Long): Unit

  // Strings are 16-byte views: address, length in bytes. `nulls` = 0: no row is NULL. Views of NULL rows are (0, 0). Methods that
  // read offsets return whether all strings lie within the memory that was passed; if not, no view may be used.

  /** Writes views of strings at int32 `offsets` from `base`, with int32 `lengths`, in a buffer of `size` bytes. */
  @native def views(base: Long, size: Long, offsets: Long, lengths: Long, nulls: Long, n: Long, out: Long): Boolean
  /** Writes views of Arrow's strings from n + 1 offsets of `width` 4 or 8 bytes into the `size` bytes at `base`. */
  @native def arrowStrings(width: Int, base: Long, size: Long, offsets: Long, nulls: Long, n: Long, out: Long): Boolean
  /** Writes views from Arrow's string views, whose long strings are in `buffers` of `sizes` bytes. */
  @native def arrowViews(views: Long, buffers: Array[Long], sizes: Array[Long], nulls: Long, n: Long, out: Long): Boolean
  /** Writes `n` views of one string. */
  @native def fillViews(address: Long, length: Long, n: Long, out: Long): Unit
  /** Sets the views of NULL rows to (0, 0). */
  @native def clearNullViews(views: Long, nulls: Long, n: Long): Unit
  /**
   * Writes the int32 ends of `n` strings, the first of which begins at `used`; returns the last end, which may exceed int32.
   * `picked`: int32 row numbers of the views, 0: all rows in order.
   */
  @native def stringEnds(views: Long, picked: Long, n: Long, used: Long, ends: Long): Long
  /** Copies the bytes of the same strings contiguously. */
  @native def copyStrings(views: Long, picked: Long, n: Long, out: Long): Unit

  // List views: the address of the first of n elements of `width` bytes, and n, or ~n when an element is NULL.

  /** Copies `n` floats of `width` bytes, with NaN for NULL. */
  @native def filled(base: Long, width: Int, nulls: Long, n: Long, out: Long): Unit
  /**
   * Returns the largest end, in elements of the child, of rows with int32 `offsets` and `lengths`; -1 when one of these is
   * negative.
   */
  @native def listEnd(offsets: Long, lengths: Long, nulls: Long, n: Long): Long
  /**
   * Writes list views of elements at `base` from int32 `offsets` and `lengths` in elements, which `listEnd` has checked.
   * `elementNulls` = 0: no NULL elements.
   */
  @native def lists(base: Long, width: Int, elementNulls: Long, offsets: Long, lengths: Long, nulls: Long, n: Long, out: Long): Unit
  /**
   * As `lists`, from Arrow's n + 1 int32 `offsets`; returns whether all are among `count` elements. If not, no view may be used.
   */
  @native def arrowLists(base: Long, width: Int, elementNulls: Long, count: Long, offsets: Long, nulls: Long, n: Long,
      out: Long): Boolean

  /**
   * Reads the values of `width` bytes (16: strings) and null bytes of a field of UnsafeRows, whose addresses are at `rows`;
   * returns the number of NULLs.
   */
  @native def rowField(rows: Long, n: Long, fields: Int, ordinal: Int, width: Int, out: Long, nulls: Long): Long

  // Columns to write into rows: four words each (values, null bytes or 0, form, row numbers or 0), see RowWriter.

  /** Writes the sizes (int32) of `n` rows: `fixed` bytes plus strings; returns the largest, which may exceed int32. */
  @native def sizeRows(columns: Long, count: Int, n: Long, fixed: Long, sizes: Long): Long
  /**
   * Writes UnsafeRows from row `first` of `n` into `limit` bytes at `out`, at least one; returns their number. `places` receives
   * their starts and the end of the last. `sizes` = 0: all rows have `fixed` bytes.
   */
  @native def writeRows(columns: Long, count: Int, sizes: Long, fixed: Long, first: Long, n: Long, limit: Long, out: Long,
      places: Long): Long

  // Row caches, in memory that `cacheOpen` initialized. Columns are three words each: values, null bytes, width (16: strings).

  /** Initializes an empty cache of `bytes` bytes at the address `cache`. `seed`: of its hashes. */
  @native def cacheOpen(cache: Long, bytes: Long, seed: Long): Unit
  /**
   * Looks up the distinct ones of `n` rows. Writes cached outputs to `outputs` from row n - 1 downwards, and the row numbers of
   * the missing ones to `misses`. `ids`: the row of `outputs` that holds each row's outputs, once those of the misses are first.
   * `table`: `slots` int32 zeros, a power of two and at least 2n. `strings`: two int64, the start and end of the free string bytes.
   * Returns the number of misses.
   */
  @native def cacheFind(cache: Long, inputs: Array[Long], outputs: Array[Long], n: Long, ids: Long, misses: Long, hashes: Long,
      table: Long, slots: Long, strings: Long): Long
  /** Stores the first `m` rows of `outputs`, which belong to the rows `misses`, except those whose flag (0: none) is set. */
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

  /** Loads a private copy of the jar's library: one file per class loader, deleted as soon as it is mapped. */
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
