package io.sparkweld.nativelib

import java.nio.file.{Files, Paths}

import org.apache.spark.unsafe.Platform

/**
 * Turns one file of object code into its results, in a JVM of its own: `python -m sparkweld doctor` runs it.
 *
 * The kernel must take one double column and give one. Arguments: the path of llvmlite's library, the file, the symbol,
 * and the imports. Prints the CPU, then one result a line (`Double.toHexString`) for the inputs 0, 1, 2 ... 99. Exit code
 * 1 and one line on standard error when the shim, llvmlite or the object cannot be used.
 */
object KernelCheck {
  private val Rows = 100

  def main(arguments: Array[String]): Unit = {
    val Array(llvmlite, file, symbol, imports @ _*) = arguments: @unchecked
    try {
      val runtime = NativeRuntime.get(Some(llvmlite), throw new NativeError(s"$llvmlite cannot be used"))
      val kernel = runtime.link(Files.readAllBytes(Paths.get(file)), symbol, imports.toArray)
      println(runtime.cpu)
      run(kernel).foreach(value => println(java.lang.Double.toHexString(value)))
      kernel.close()
    } catch {
      case fault: NativeError =>
        System.err.println(fault.getMessage)
        sys.exit(1)
    }
  }

  private def run(kernel: Kernel): Seq[Double] = {
    val values = Platform.allocateMemory(Rows * 8L)
    val nulls = Platform.allocateMemory(Rows.toLong)
    val results = Platform.allocateMemory(Rows * 8L)
    val resultNulls = Platform.allocateMemory(Rows.toLong)
    try {
      Platform.setMemory(nulls, 0, Rows.toLong)
      (0 until Rows).foreach(row => Platform.putDouble(null, values + row * 8L, row.toDouble))
      val counts = new Array[Long](3)
      kernel.call(Array(values, nulls, results, resultNulls), Rows, counts)
      if (counts.toSeq != Seq(Rows.toLong, 0L, 0L)) {
        throw new NativeError(s"the kernel counted ${counts.mkString(", ")} in place of $Rows, 0, 0")
      }
      (0 until Rows).map(row => Platform.getDouble(null, results + row * 8L))
    } finally Seq(values, nulls, results, resultNulls).foreach(Platform.freeMemory)
  }
}
